package main

// Makes a cell of a workload's work: warm-up, clock, the process's figures before and after, the close where it
// counts.

import (
	"bytes"
	"fmt"
	"math"
)

const (
	defaultBatch   = 1_000
	defaultSeconds = 3
	spots          = 32
)

var warmUp = limits{operations: 20_000, seconds: 0.3}

type cellContext struct {
	*session
	info workload
	step step
}

type measuring struct {
	// most: things to work on, each used once; 0: no end.
	most    int
	warmUp  bool
	windows bool
	// alive: keys in the database after so many operations; nil: those of the data set.
	alive func(operations int) int
	// verify fails, off the clock, when what was done is not to be seen.
	verify func(operations int) error
}

func (c *cellContext) limits(most int) limits {
	given := limits{operations: unlimited, seconds: math.Inf(1)}
	if c.step.Operations != nil {
		given.operations = *c.step.Operations
	} else if c.info.operations != nil {
		given.operations = c.info.operations(c.data.Count)
	}
	if most > 0 {
		given.operations = min(given.operations, most)
	}
	if c.step.Seconds != nil {
		given.seconds = *c.step.Seconds
	} else if given.operations == unlimited {
		given.seconds = defaultSeconds
	}
	return given
}

// measure runs work until its meter hands out no more operations.
func (c *cellContext) measure(work func(*meter) error, options measuring) (*cell, error) {
	begun := 0
	if options.warmUp {
		warm := startMeter(warmUp)
		if err := work(warm); err != nil {
			return nil, err
		}
		begun = int(warm.next.Load())
	}
	given := c.limits(options.most)
	used := usageNow()
	m := startMeter(given)
	m.offset = begun
	if err := work(m); err != nil {
		return nil, err
	}
	elapsed := m.elapsed()
	levels := c.store.levels()
	if options.verify != nil {
		if err := options.verify(m.done); err != nil {
			return nil, err
		}
	}
	if c.info.closes {
		if err := c.close(); err != nil {
			return nil, err
		}
		elapsed += c.closeTook
	}
	cpuMs, figures := used.figures()
	alive := c.data.Count
	if options.alive != nil {
		alive = options.alive(m.done)
	}
	figures["logicalBytes"] = float64(alive * (c.data.KeyBytes + c.data.ValueBytes))
	found := &cell{
		Workload:   c.step.Workload,
		Operations: m.done,
		ElapsedMs:  milliseconds(elapsed),
		Cut:        given.operations < unlimited && m.done < given.operations,
		CPUMs:      cpuMs,
		Latency:    m.latency.summary(),
		Levels:     levels,
		Figures:    figures,
	}
	if options.windows {
		for len(m.windows) < int(math.Ceil(float64(elapsed)/float64(windowLength))) {
			m.windows = append(m.windows, 0)
		}
		found.Windows = &windows{milliseconds(windowLength), m.windows}
	}
	return found, nil
}

func (c *cellContext) batch() int {
	return valueOr(c.step.Batch, defaultBatch)
}

func (c *cellContext) lanes() int {
	return valueOr(c.step.Lanes, 1)
}

func valueOr(given, otherwise int) int {
	if given == 0 {
		return otherwise
	}
	return given
}

// check fails unless found is the value of index in the generation the step names: 0 (the default), 1 or `either`.
func (c *cellContext) check(index int, found []byte) error {
	switch c.step.Parameters["generation"] {
	case "either":
		return c.checkEither(index, found)
	case float64(1):
		return c.data.check(index, found, 1)
	}
	return c.data.check(index, found, 0)
}

func (c *cellContext) checkEither(index int, found []byte) error {
	if bytes.Equal(found, c.data.value(index, 1)) {
		return nil
	}
	return c.data.check(index, found, 0)
}

// spotCheck: about 32 of indexes, the last among them, have their value as checked by correct.
func (c *cellContext) spotCheck(indexes []uint32, correct func(index int, found []byte) error) error {
	stride := max(1, len(indexes)/spots)
	for at := len(indexes) - 1; at >= 0; at -= stride {
		index := int(indexes[at])
		found, err := c.store.get(c.data.key(index))
		if err != nil {
			return err
		}
		if err := correct(index, found); err != nil {
			return err
		}
	}
	return nil
}

func (c *cellContext) ofGeneration(generation int) func(int, []byte) error {
	return func(index int, found []byte) error { return c.data.check(index, found, generation) }
}

func gone(index int, found []byte) error {
	if found == nil {
		return nil
	}
	return fmt.Errorf("key %d is still there", index)
}

// checkKept: of keys that no delete touched, the first is there.
func (c *cellContext) checkKept(indexes []uint32) error {
	if len(indexes) == 0 {
		return nil
	}
	return c.spotCheck(indexes[:1], c.check)
}
