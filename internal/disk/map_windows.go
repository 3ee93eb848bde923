package disk

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

func (f *osFile) mapAll(size int) ([]byte, func() error, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var addr uintptr
	var mapErr error
	err = conn.Control(func(fd uintptr) {
		var mapping windows.Handle
		mapping, mapErr = windows.CreateFileMapping(windows.Handle(fd), nil, windows.PAGE_READONLY, 0, 0, nil)
		if mapErr != nil {
			return
		}
		defer windows.CloseHandle(mapping) // the view keeps it
		addr, mapErr = windows.MapViewOfFile(mapping, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	})
	if err == nil {
		err = os.NewSyscallError("MapViewOfFile", mapErr)
	}
	if err != nil {
		return nil, nil, err
	}
	release := sync.OnceValue(func() error {
		return os.NewSyscallError("UnmapViewOfFile", windows.UnmapViewOfFile(addr))
	})
	// The address is outside the Go heap: read as a pointer, not converted from an integer.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), size), release, nil
}
