// The body of codeDots with 256-bit VPDPBUSD: DI sums, CX rows, SI codes, DX
// activations, R8 columns. Four rows at a time, then one.
//
// A byte's fields are used two by two, of the byte and of the byte shifted down
// by four, as codes and as four times the codes. Y0, Y2, Y4 and Y6 hold the
// sums of codes, Y1, Y3, Y5 and Y7 those of four times the codes.

#define MASK(value, x, y) \
	MOVL         $value, AX \
	VMOVD        AX, x      \
	VPBROADCASTD x, y

// ROW adds two fields of a block of one row, times activations in Y8 and Y9.
#define ROW(sum1, sum4) \
	VPAND Y12, Y14, Y10          \
	VPAND Y12, Y15, Y11          \
	VPDPBUSD_YMM(9, 10, sum1)    \
	VPDPBUSD_YMM(8, 11, sum4)

// BLOCK adds a block of four rows: the lower fields of all, then the upper.
#define LOWER(row, sum1, sum4) \
	VMOVDQU row, Y12 \
	ROW(sum1, sum4)

#define UPPER(row, sum1, sum4) \
	VMOVDQU row, Y12       \
	VPSRLW  $4, Y12, Y12   \
	ROW(sum1, sum4)

	SHRQ $2, R8                 // bytes of a row
	LEAQ (R8)(R8*2), R9
	MASK(0x03030303, X14, Y14)
	MASK(0x0C0C0C0C, X15, Y15)

four:
	CMPQ  CX, $4
	JLT   rest
	MOVQ  DX, R11
	MOVQ  R8, R12
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7

fourBlocks:
	VMOVDQU 64(R11), Y8
	VMOVDQU 96(R11), Y9
	LOWER((SI), 0, 1)
	LOWER((SI)(R8*1), 2, 3)
	LOWER((SI)(R8*2), 4, 5)
	LOWER((SI)(R9*1), 6, 7)
	VMOVDQU (R11), Y8
	VMOVDQU 32(R11), Y9
	UPPER((SI), 0, 1)
	UPPER((SI)(R8*1), 2, 3)
	UPPER((SI)(R8*2), 4, 5)
	UPPER((SI)(R9*1), 6, 7)
	ADDQ $32, SI
	ADDQ $128, R11
	SUBQ $32, R12
	JNZ  fourBlocks

	VPSRAD       $2, Y1, Y1     // exact
	VPSRAD       $2, Y3, Y3
	VPSRAD       $2, Y5, Y5
	VPSRAD       $2, Y7, Y7
	VPADDD       Y1, Y0, Y0
	VPADDD       Y3, Y2, Y2
	VPADDD       Y5, Y4, Y4
	VPADDD       Y7, Y6, Y6
	VPHADDD      Y2, Y0, Y0
	VPHADDD      Y6, Y4, Y4
	VPHADDD      Y4, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDD       X1, X0, X0
	VMOVDQU      X0, (DI)
	ADDQ         $16, DI
	ADDQ         R9, SI         // from the second row to the fifth
	SUBQ         $4, CX
	JMP          four

rest:
	TESTQ CX, CX
	JZ    done

one:
	MOVQ  DX, R11
	MOVQ  R8, R12
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1

oneBlock:
	VMOVDQU 64(R11), Y8
	VMOVDQU 96(R11), Y9
	LOWER((SI), 0, 1)
	VMOVDQU (R11), Y8
	VMOVDQU 32(R11), Y9
	UPPER((SI), 0, 1)
	ADDQ $32, SI
	ADDQ $128, R11
	SUBQ $32, R12
	JNZ  oneBlock

	VPSRAD       $2, Y1, Y1
	VPADDD       Y1, Y0, Y0
	VPHADDD      Y0, Y0, Y0
	VPHADDD      Y0, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDD       X1, X0, X0
	VMOVD        X0, (DI)
	ADDQ         $4, DI
	DECQ         CX
	JNZ          one

done:
