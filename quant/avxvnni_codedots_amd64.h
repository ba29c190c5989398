// The body of codeDots with 256-bit VPDPBUSD: DI sums, CX rows, SI codes, DX
// activations, R8 columns.
//
// Two rows at a time. Masked but not shifted down, the fields of a byte are 64,
// 16, 4 and 1 times the codes; each multiple has sums of its own, and these are
// shifted at the end. A lane gains at most 4·192·128 a block, less than 2³⁰ in
// the longest row.

// FIELD adds one field of two rows' blocks, in Y8 and Y9, times its
// activations.
#define FIELD(mask, offset, sumA, sumB) \
	VMOVDQU offset(R11), Y10     \
	VPAND   Y8, mask, Y11        \
	VPDPBUSD_YMM(10, 11, sumA)   \
	VPAND   Y9, mask, Y11        \
	VPDPBUSD_YMM(10, 11, sumB)

	SHRQ $2, R8                 // bytes of a row
	MASK(0xC0C0C0C0, X12, Y12)
	MASK(0x30303030, X13, Y13)
	MASK(0x0C0C0C0C, X14, Y14)
	MASK(0x03030303, X15, Y15)

rows:
	MOVQ R8, R9                 // to the second row; the last of an odd number
	CMPQ CX, $1                 // goes twice
	JGT  two
	JLT  done
	XORL R9, R9

two:
	MOVQ  DX, R11
	LEAQ  (SI)(R8*1), R12       // the end of the row
	LEAQ  PREFETCH_AHEAD(SI)(R8*2), R13
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7

blocks:
	PREFETCHT0 (R13)
	VMOVDQU    (SI), Y8
	VMOVDQU    (SI)(R9*1), Y9
	FIELD(Y12, 0, 0, 4)
	FIELD(Y13, 32, 1, 5)
	FIELD(Y14, 64, 2, 6)
	FIELD(Y15, 96, 3, 7)
	ADDQ       $64, R13
	ADDQ       $128, R11
	ADDQ       $32, SI
	CMPQ       SI, R12
	JNE        blocks

	VPSRAD       $6, Y0, Y0     // exact
	VPSRAD       $6, Y4, Y4
	VPSRAD       $4, Y1, Y1
	VPSRAD       $4, Y5, Y5
	VPSRAD       $2, Y2, Y2
	VPSRAD       $2, Y6, Y6
	VPADDD       Y0, Y1, Y0
	VPADDD       Y4, Y5, Y4
	VPADDD       Y2, Y3, Y2
	VPADDD       Y6, Y7, Y6
	VPADDD       Y2, Y0, Y0
	VPADDD       Y6, Y4, Y4
	VPHADDD      Y4, Y0, Y0
	VPHADDD      Y0, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDD       X1, X0, X0
	CMPQ         CX, $1
	JEQ          last
	VMOVQ        X0, (DI)
	ADDQ         $8, DI
	ADDQ         R8, SI
	SUBQ         $2, CX
	JMP          rows

last:
	VMOVD X0, (DI)

done:
