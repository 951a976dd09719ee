// SPDX-License-Identifier: Apache-2.0
// System calls of its own making, in Rust; the same functions as raw.c

use std::arch::asm;

const SYS_NANOSLEEP: i64 = 35;
const SYS_IO_URING_SETUP: i64 = 425;
const SYS_IO_URING_ENTER: i64 = 426;
const ENTER_GETEVENTS: i64 = 1;
const ENTER_EXT_ARG: i64 = 8;
const PARAMS_BYTES: usize = 120;

#[repr(C)]
struct Timespec {
    sec: i64,
    nsec: i64,
}

#[repr(C)]
struct GeteventsArg {
    sigmask: u64,
    sigmask_bytes: u32,
    pad: u32,
    ts: u64,
}

unsafe fn raw(number: i64, args: [i64; 6]) -> i64 {
    let result: i64;
    asm!("syscall", inlateout("rax") number => result,
         in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
         in("r10") args[3], in("r8") args[4], in("r9") args[5],
         out("rcx") _, out("r11") _);
    result
}

#[no_mangle]
pub extern "C" fn raw_sleep(ns: i64) -> i64 {
    let span = Timespec { sec: 0, nsec: ns };
    unsafe { raw(SYS_NANOSLEEP, [&span as *const _ as i64, 0, 0, 0, 0, 0]) }
}

#[no_mangle]
pub extern "C" fn raw_ring() -> i64 {
    let mut params = [0u8; PARAMS_BYTES];
    unsafe { raw(SYS_IO_URING_SETUP, [8, params.as_mut_ptr() as i64, 0, 0, 0, 0]) }
}

/// Waits for something to complete, which nothing does.
#[no_mangle]
pub extern "C" fn raw_enter(ring: i64, ns: i64) -> i64 {
    let span = Timespec { sec: 0, nsec: ns };
    let arg = GeteventsArg { sigmask: 0, sigmask_bytes: 0, pad: 0, ts: &span as *const _ as u64 };
    let bytes = std::mem::size_of::<GeteventsArg>() as i64;
    unsafe {
        raw(SYS_IO_URING_ENTER,
            [ring, 0, 1, ENTER_GETEVENTS | ENTER_EXT_ARG, &arg as *const _ as i64, bytes])
    }
}
