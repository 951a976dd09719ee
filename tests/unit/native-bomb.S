/* SPDX-License-Identifier: Apache-2.0 */
/* A function whose debug information is small as a file and large to read */
#ifndef N_LINES
#define N_LINES 0
#endif
#ifndef N_DIES
#define N_DIES 0
#endif
#ifndef N_RANGES
#define N_RANGES 0
#endif
	.text
	.globl bomb
	.type bomb, @function
bomb:
	.fill 64, 1, 0x90
	ret
	.size bomb, . - bomb
	.section .debug_abbrev, "", @progbits
	.byte 1, 0x11, 1, 0x10, 0x17, 0x11, 0x01, 0x12, 0x07, 0, 0
	.byte 2, 0x2e, 0, 0x55, 0x17, 0, 0
	.byte 0
	.section .debug_info, "", @progbits
	.long 2f - 1f
1:	.short 4
	.long 0
	.byte 8
	.byte 1
	.long 0
	.quad bomb
	.quad 65
	.rept N_DIES
	.byte 2
	.long 0
	.endr
	.byte 0
2:
	.section .debug_ranges, "", @progbits
	.rept N_RANGES
	.quad 0x1000000, 0x1000001
	.endr
	.quad 0, 0
	.section .debug_line, "", @progbits
	.long 4f - 1f
1:	.short 2
	.long 3f - 2f
2:	.byte 1, 1, -5, 14, 13
	.byte 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1
	.byte 0
	.asciz "bomb.S"
	.byte 0, 0, 0
	.byte 0
3:	.byte 0, 9, 2
	.quad bomb
	.fill N_LINES, 1, 0x12
	.byte 2, 65
	.byte 0, 1, 1
4:
	.section .note.GNU-stack, "", @progbits
