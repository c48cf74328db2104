package main

// Random reads of keys that are there and of keys that are not, and reads beside a paced writer:
// bench/workloads/read.ts and mixed.ts. Every answer is checked. Badger has no read without a transaction: each
// call has a View of its own.

import (
	"fmt"
	"sync/atomic"
	"time"
)

const (
	readSeed             = 20_231
	missingSeed          = 31_337
	readBesideWritesSeed = 7_001
	writeBesideReadsSeed = 9_001
	many                 = 100
	writesPerSecond      = 20_000
	tick                 = 2 * time.Millisecond
	// catchUp is what a tick may make up for, so that a pause is not followed by a burst.
	catchUp = 10 * time.Millisecond
)

var afterWarmUp = measuring{warmUp: true}

// random is the index number at of a sequence that depends on the seed alone.
func (c *cellContext) random(seed uint32, at int) int {
	return int(wordAt(seed, at) % uint32(c.data.Count))
}

func readRandom(lanes int) func(*cellContext) (*cell, error) {
	return func(c *cellContext) (*cell, error) {
		get := func(at, _ int) error {
			index := c.random(readSeed, at)
			found, err := c.store.get(c.data.key(index))
			if err != nil {
				return err
			}
			return c.check(index, found)
		}
		return c.measure(func(m *meter) error { return m.sampled(lanes, get) }, afterWarmUp)
	}
}

func readMany(c *cellContext) (*cell, error) {
	get := func(at, count int) error {
		indexes := make([]uint32, count)
		for place := range indexes {
			indexes[place] = uint32(c.random(readSeed, at+place))
		}
		found, err := c.store.getMany(c.data.keysOf(indexes))
		for place := 0; err == nil && place < count; place++ {
			err = c.check(int(indexes[place]), found[place])
		}
		return err
	}
	return c.measure(func(m *meter) error { return m.timed(1, many, get) }, afterWarmUp)
}

func readMissing(lanes int) func(*cellContext) (*cell, error) {
	return func(c *cellContext) (*cell, error) {
		get := func(at, _ int) error {
			index := c.random(missingSeed, at)
			found, err := c.store.get(c.data.missingKey(index))
			if err == nil && found != nil {
				err = fmt.Errorf("a key after key %d that was never written has a value", index)
			}
			return err
		}
		return c.measure(func(m *meter) error { return m.sampled(lanes, get) }, afterWarmUp)
	}
}

// pacedWriter overwrites random keys with values of generation 1 at a fixed rate, and knows what a read may find.
type pacedWriter struct {
	context     *cellContext
	sent, acked []atomic.Bool
	done        atomic.Int64
	stopping    chan struct{}
	stopped     chan error
}

func startWriter(c *cellContext) *pacedWriter {
	writer := &pacedWriter{
		context:  c,
		sent:     make([]atomic.Bool, c.data.Count),
		acked:    make([]atomic.Bool, c.data.Count),
		stopping: make(chan struct{}),
		stopped:  make(chan error, 1),
	}
	go func() { writer.stopped <- writer.run() }()
	return writer
}

func (w *pacedWriter) run() error {
	rate := w.context.step.WritesPerSecond
	if rate == 0 {
		rate = writesPerSecond
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	due, last := 0.0, time.Now()
	for number := 0; ; {
		select {
		case <-w.stopping:
			return nil
		case now := <-ticker.C:
			due = min(due+now.Sub(last).Seconds()*rate, catchUp.Seconds()*rate)
			last = now
		}
		for ; due >= 1; due-- {
			if err := w.put(w.context.random(writeBesideReadsSeed, number)); err != nil {
				return err
			}
			number++
		}
	}
}

func (w *pacedWriter) put(index int) error {
	w.sent[index].Store(true)
	data := w.context.data
	if err := w.context.store.put(data.key(index), data.value(index, 1)); err != nil {
		return err
	}
	w.acked[index].Store(true)
	w.done.Add(1)
	return nil
}

// stop hands back the writer's failure.
func (w *pacedWriter) stop() error {
	close(w.stopping)
	return <-w.stopped
}

// read: a key never sent must be as it was, one acked before the read must be new, in between either.
func (w *pacedWriter) read(index int) error {
	c := w.context
	wasAcked := w.acked[index].Load()
	found, err := c.store.get(c.data.key(index))
	if err != nil {
		return err
	}
	if wasAcked {
		return c.data.check(index, found, 1)
	}
	if w.sent[index].Load() {
		return c.checkEither(index, found)
	}
	return c.check(index, found)
}

func readWhileWriting(c *cellContext) (*cell, error) {
	writer := startWriter(c)
	rate := 0.0
	read := func(m *meter) error {
		begun := writer.done.Load()
		err := m.timed(1, 1, func(at, _ int) error {
			return writer.read(c.random(readBesideWritesSeed, at))
		})
		rate = float64(writer.done.Load()-begun) / m.elapsed().Seconds()
		return err
	}
	stop := func(int) error { return writer.stop() }
	found, err := c.measure(read, measuring{warmUp: true, windows: true, verify: stop})
	if err != nil {
		return nil, err
	}
	found.Figures["writesPerSecond"] = rate
	return found, nil
}
