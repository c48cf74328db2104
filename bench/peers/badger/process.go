package main

// What the process used since a moment, and what a directory takes on disk.

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const ioFile = "/proc/self/io"

func usage() syscall.Rusage {
	var found syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &found); err != nil {
		panic(err) // Of one's own process it cannot fail.
	}
	return found
}

// cpuTime is user and system time of all threads.
func cpuTime() time.Duration {
	found := usage()
	return time.Duration(found.Utime.Nano() + found.Stime.Nano())
}

func peakMiB() float64 {
	peak := float64(usage().Maxrss)
	if runtime.GOOS == "darwin" {
		return peak / (1 << 20)
	}
	return peak / (1 << 10)
}

// writtenBytes is what the process made dirty in files: Badger writes through mapped memory, which system calls do
// not show. False where the system does not tell.
func writtenBytes() (int64, bool) {
	text, err := os.ReadFile(ioFile)
	if err != nil {
		return 0, false
	}
	_, rest, found := bytes.Cut(text, []byte("\nwrite_bytes: "))
	var written int64
	if _, err := fmt.Sscan(string(rest), &written); !found || err != nil {
		return 0, false
	}
	return written, true
}

// usageSince is a moment, and what the process had used by then.
type usageSince struct {
	started time.Time
	cpu     time.Duration
	written int64
	tells   bool
}

func usageNow() usageSince {
	written, tells := writtenBytes()
	return usageSince{written: written, tells: tells, cpu: cpuTime(), started: time.Now()}
}

// figures are processor time in ms, and writtenBytes where the system tells.
func (u usageSince) figures() (cpuMs float64, figures map[string]float64) {
	figures = map[string]float64{}
	if written, tells := writtenBytes(); tells && u.tells {
		figures["writtenBytes"] = float64(written - u.written)
	}
	return milliseconds(cpuTime() - u.cpu), figures
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration) / float64(time.Millisecond)
}

// directoryBytes is the larger of allocated and apparent size, file by file.
func directoryBytes(directory string) (int64, error) {
	var total int64
	err := filepath.WalkDir(directory, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		size := info.Size()
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			size = max(size, stat.Blocks*512)
		}
		total += size
		return nil
	})
	return total, err
}
