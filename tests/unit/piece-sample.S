/* SPDX-License-Identifier: Apache-2.0 */
/* Functions and their pieces for test-piece.c: each shape that is one, or only looks like one */

	.text

/* Near jumps, which the assembler would make short. */
.macro far_jump to
	.byte	0xe9
	.long	\to - . - 4
.endm

.macro far_branch to
	.byte	0x0f, 0x85
	.long	\to - . - 4
.endm

/* A function, with its frame built. */
.macro function name
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	push	%rbx
	.cfi_def_cfa_offset 16
	.cfi_offset 3, -16
	nop
\name\()_inside:
	nop
.endm

.macro function_end name
	pop	%rbx
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
	.size	\name, . - \name
.endm

/* What begins with the frame that function builds. */
.macro piece name, offset = 16
\name:
	.cfi_startproc
	.cfi_def_cfa_offset \offset
	.cfi_offset 3, -16
	nop
\name\()_inside:
	nop
.endm

.macro piece_end name
	.cfi_endproc
	.globl	\name\()_end
\name\()_end:
.endm

/* There and back, by both kinds of jump, to its beginning and into its middle. */
	.globl	two_rest
function two
	far_branch two_rest
	far_jump two_rest_inside
function_end two
piece two_rest
	far_branch two_inside
	far_jump two_inside
piece_end two_rest

/* The same, under the name that the daemon looks for. */
	.globl	eval_rest
function _PyEval_EvalFrameDefault
	far_branch eval_rest
	far_jump eval_rest_inside
function_end _PyEval_EvalFrameDefault
piece eval_rest
	far_branch _PyEval_EvalFrameDefault_inside
	far_jump _PyEval_EvalFrameDefault_inside
piece_end eval_rest

/* Bytes that look like jumps lead into a function that happens to have the same frame. */
	.globl	chance_rest
function chance
	far_branch chance_rest
	far_jump chance_rest
	far_jump two_inside
function_end chance
piece chance_rest
	far_branch chance_inside
	far_jump chance_inside
piece_end chance_rest

function one_jump
	far_jump one_jump_rest
function_end one_jump
piece one_jump_rest
	far_branch one_jump_inside
	far_jump one_jump_inside
piece_end one_jump_rest

function one_back
	far_branch one_back_rest
	far_jump one_back_rest
function_end one_back
piece one_back_rest
	far_jump one_back_inside
piece_end one_back_rest

function other_frame
	far_branch other_frame_rest
	far_jump other_frame_rest
function_end other_frame
piece other_frame_rest, 32
	far_branch other_frame_inside
	far_jump other_frame_inside
piece_end other_frame_rest

function into_function
	far_branch into_function_rest_inside
	far_jump into_function_rest_inside
function_end into_function
function into_function_rest
	far_branch into_function_inside
	far_jump into_function_inside
function_end into_function_rest

function third
	far_branch third_rest
	far_jump third_rest
	far_jump third_other
function_end third
piece third_rest
	far_branch third_inside
	far_jump third_inside
piece_end third_rest
piece third_other
	far_branch third_inside
	far_jump third_inside
piece_end third_other

/* The piece is that of two functions: whose frames it has cannot be told. */
function shared
	far_branch shared_rest
	far_jump shared_rest
function_end shared
function sharing
	far_branch shared_rest
	far_jump shared_rest
function_end sharing
piece shared_rest
	far_branch shared_inside
	far_jump shared_inside
	far_jump sharing_piece
piece_end shared_rest
piece sharing_piece
	nop
piece_end sharing_piece

/* Calls in the place of returns: the frame is taken down before. */
	.globl	tail_call
	.type	tail_call, @function
tail_call:
	.cfi_startproc
	nop
	far_branch two
	far_jump two
	.cfi_endproc
	.size	tail_call, . - tail_call

	.globl	no_table
	.type	no_table, @function
no_table:
	far_branch two_rest
	far_jump two_rest
	.size	no_table, . - no_table

	.section .note.GNU-stack, "", @progbits
