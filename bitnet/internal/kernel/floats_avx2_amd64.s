//go:build !purego

#include "lanes_amd64.h"
#include "textflag.h"

// func widenBrainAVX2(dst []float32, src []uint16)
TEXT ·widenBrainAVX2(SB), NOSPLIT, $0-48
	MOVQ  dst_base+0(FP), DI
	MOVQ  src_base+24(FP), SI
	MOVQ  src_len+32(FP), CX
	TESTQ CX, CX
	JEQ   done

	// The next rows are on their way from memory meanwhile.
loop:
	PREFETCHT0 4096(SI)
	VPMOVZXWD  (SI), Y0
	VPMOVZXWD  16(SI), Y1
	VPSLLD     $16, Y0, Y0
	VPSLLD     $16, Y1, Y1
	VMOVDQU    Y0, (DI)
	VMOVDQU    Y1, 32(DI)
	ADDQ       $32, SI
	ADDQ       $64, DI
	SUBQ       $16, CX
	JNE        loop

done:
	VZEROUPPER
	RET

// func dotsFloatAVX2(dst []float32, rows []float32, x []float32)
TEXT ·dotsFloatAVX2(SB), NOSPLIT, $0-72
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), DX
	MOVQ rows_base+24(FP), SI
	MOVQ x_base+48(FP), BX
	MOVQ x_len+56(FP), R8
	SHLQ $2, R8               // bytes of a row
	MOVQ R8, R9
	MOVQ $4, R10

	// A second row that is missing is the first again, and stored in its place.
pair:
	CMPQ DX, $2
	JGE  ready
	XORQ R9, R9
	XORQ R10, R10

ready:
	LEAQ   (SI)(R9*1), R11
	VXORPS X0, X0, X0
	VXORPS X1, X1, X1
	VXORPS X2, X2, X2
	VXORPS X3, X3, X3
	XORQ   AX, AX

loop:
	PREFETCHT0  1024(SI)(AX*1)
	PREFETCHT0  1024(R11)(AX*1)
	VMOVUPS     (BX)(AX*1), Y8
	VMOVUPS     32(BX)(AX*1), Y9
	VFMADD231PS (SI)(AX*1), Y8, Y0
	VFMADD231PS 32(SI)(AX*1), Y9, Y1
	VFMADD231PS (R11)(AX*1), Y8, Y2
	VFMADD231PS 32(R11)(AX*1), Y9, Y3
	ADDQ        $64, AX
	CMPQ        AX, R8
	JNE         loop

	SUM_LANES(Y0, Y1, X0, X1)
	SUM_LANES(Y2, Y3, X2, X3)
	VMOVSS X0, (DI)
	VMOVSS X2, (DI)(R10*1)
	LEAQ   (R11)(R8*1), SI
	ADDQ   $8, DI
	SUBQ   $2, DX
	JGT    pair
	VZEROUPPER
	RET

// func quantizeFloatAVX2(dst []int8, row []float32) (step, rest, squares float32)
TEXT ·quantizeFloatAVX2(SB), NOSPLIT, $0-60
	MOVQ dst_base+0(FP), DI
	MOVQ row_base+24(FP), SI
	MOVQ row_len+32(FP), CX
	LEAQ (CX*4), R9          // bytes of the row

	// Without their signs, numbers order like integers, those that are none above.
	VPCMPEQD Y1, Y1, Y1
	VPSRLD   $1, Y1, Y1
	VPXOR    X0, X0, X0
	XORQ     AX, AX

largest:
	VPAND        (SI)(AX*1), Y1, Y2
	VPAND        32(SI)(AX*1), Y1, Y3
	VPMAXUD      Y2, Y0, Y0
	VPMAXUD      Y3, Y0, Y0
	ADDQ         $64, AX
	CMPQ         AX, R9
	JNE          largest
	VEXTRACTI128 $1, Y0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0x4e, X0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0xb1, X0, X1
	VPMAXUD      X1, X0, X0

	// X0: the largest, X2: step, X1: 127/largest, 0 where that is infinite.
	MOVL   $0x42fe0000, AX // 127
	VMOVD  AX, X3
	VDIVSS X3, X0, X2
	VMOVSS X2, step+48(FP)
	VDIVSS X0, X3, X1
	VMOVD  X1, AX
	CMPL   AX, $0x7f800000
	JNE    scaled
	VXORPS X1, X1, X1

scaled:
	VBROADCASTSS X1, Y1
	VBROADCASTSS X2, Y2
	VXORPS       X6, X6, X6 // rest
	VXORPS       X7, X7, X7
	VXORPS       X8, X8, X8 // squares
	VXORPS       X9, X9, X9

	// The next row is on its way from memory meanwhile.
loop:
	PREFETCHT0 (SI)(R9*1)
	VMOVUPS    (SI), Y3
	VMOVUPS    32(SI), Y4
	IMAGE_OF_16
	ADDQ       $64, SI
	ADDQ       $16, DI
	SUBQ       $16, CX
	JNE        loop

	SUM_LANES(Y6, Y7, X6, X7)
	SUM_LANES(Y8, Y9, X8, X9)
	VMOVSS X6, rest+52(FP)
	VMOVSS X8, squares+56(FP)
	VZEROUPPER
	RET
