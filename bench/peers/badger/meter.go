package main

// The clock of one cell: hands out operations until their number or the time is up, takes latencies, keeps throughput
// windows. bench/workloads/cell-clock.ts in Go, with goroutines for what is in flight there.

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	windowLength = 100 * time.Millisecond
	// sampleEvery: a look at the clock costs a part of a read, so one call of eight is timed.
	sampleEvery = 8
	unlimited   = math.MaxInt
)

type limits struct {
	operations int
	// seconds: the cell ends at the first operation after them; +Inf: it runs to its count.
	seconds float64
}

type meter struct {
	limits
	// offset is added to the number of each operation: where a warm-up ended.
	offset   int
	deadline time.Duration
	started  time.Time
	next     atomic.Int64
	over     atomic.Bool
	done     int
	latency  histogram
	windows  []int
}

func startMeter(given limits) *meter {
	deadline := time.Duration(math.MaxInt64)
	if given.seconds < 1e9 {
		deadline = time.Duration(given.seconds * float64(time.Second))
	}
	return &meter{limits: given, deadline: deadline, started: time.Now()}
}

func (m *meter) elapsed() time.Duration {
	return time.Since(m.started)
}

// take hands out up to count operations, the first of them at `at`; 0: the cell is over.
func (m *meter) take(count int) (at, granted int) {
	if m.over.Load() {
		return 0, 0
	}
	at = int(m.next.Add(int64(count))) - count
	return at + m.offset, max(0, min(count, m.operations-at))
}

// lane is what one goroutine measures; nobody else touches it until that ends.
type lane struct {
	meter   *meter
	latency histogram
	windows []int
	done    int
}

// count books operations that ended at now, a time since the start of the cell.
func (l *lane) count(now time.Duration, operations int) {
	window := int(now / windowLength)
	for len(l.windows) <= window {
		l.windows = append(l.windows, 0)
	}
	l.windows[window] += operations
	l.done += operations
	if now >= l.meter.deadline {
		l.meter.over.Store(true)
	}
}

// merge adds what a lane has measured; no lane may run.
func (m *meter) merge(l *lane) {
	m.done += l.done
	m.latency.add(&l.latency)
	for at, operations := range l.windows {
		if at == len(m.windows) {
			m.windows = append(m.windows, 0)
		}
		m.windows[at] += operations
	}
}

// call does count operations, the first of which is number at.
type call func(at, count int) error

// inLanes runs loops side by side until the cell is over, or one of them fails.
func (m *meter) inLanes(lanes int, loop func(*lane) error) error {
	running := make([]*lane, lanes)
	failures := make([]error, lanes)
	var group sync.WaitGroup
	for index := range running {
		running[index] = &lane{meter: m}
		group.Add(1)
		go func() {
			defer group.Done()
			if failures[index] = loop(running[index]); failures[index] != nil {
				m.over.Store(true)
			}
		}()
	}
	group.Wait()
	for _, each := range running {
		m.merge(each)
	}
	return errors.Join(failures...)
}

// timed makes calls of size operations in lanes goroutines and times each.
func (m *meter) timed(lanes, size int, do call) error {
	return m.inLanes(lanes, func(l *lane) error {
		from := m.elapsed()
		for at, count := m.take(size); count > 0; at, count = m.take(size) {
			if err := do(at, count); err != nil {
				return err
			}
			now := m.elapsed()
			l.latency.record(now - from)
			l.count(now, count)
			from = now
		}
		return nil
	})
}

// sampled makes calls of one operation in lanes goroutines and times the first of every eight.
func (m *meter) sampled(lanes int, do call) error {
	return m.inLanes(lanes, func(l *lane) error {
		for at, count := m.take(sampleEvery); count > 0; at, count = m.take(sampleEvery) {
			from := m.elapsed()
			if err := do(at, 1); err != nil {
				return err
			}
			now := m.elapsed()
			l.latency.record(now - from)
			l.count(now, count)
			for more := 1; more < count; more++ {
				if err := do(at+more, 1); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
