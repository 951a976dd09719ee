// SPDX-License-Identifier: Apache-2.0

// System calls by Go's own runtime, which has no use for a C library; the same functions as raw.c
package main

import "C"

import (
	"syscall"
	"unsafe"
)

const (
	sysIoUringSetup = 425
	sysIoUringEnter = 426
	enterGetevents  = 1
	enterExtArg     = 8
	paramsBytes     = 120
)

type geteventsArg struct {
	sigmask      uint64
	sigmaskBytes uint32
	pad          uint32
	ts           unsafe.Pointer
}

//export raw_sleep
func raw_sleep(ns C.long) C.long {
	span := syscall.Timespec{Nsec: int64(ns)}
	_, _, err := syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&span)), 0, 0)
	return -C.long(err)
}

//export raw_ring
func raw_ring() C.long {
	var params [paramsBytes]byte
	ring, _, err := syscall.Syscall(sysIoUringSetup, 8, uintptr(unsafe.Pointer(&params)), 0)
	if err != 0 {
		return -C.long(err)
	}
	return C.long(ring)
}

// Waits for something to complete, which nothing does.
//
//export raw_enter
func raw_enter(ring, ns C.long) C.long {
	span := syscall.Timespec{Nsec: int64(ns)}
	arg := geteventsArg{ts: unsafe.Pointer(&span)}
	_, _, err := syscall.Syscall6(sysIoUringEnter, uintptr(ring), 0, 1, enterGetevents|enterExtArg,
		uintptr(unsafe.Pointer(&arg)), unsafe.Sizeof(arg))
	return -C.long(err)
}

func main() {}
