package main

// Full scans and short ones: bench/workloads/scan.ts. A scan is checked entry by entry in the pass before the
// clock starts, afterwards by the ends of each thousand entries and by its count.

import (
	"bytes"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

const (
	seekSeed           = 65_537
	seekPairs          = 10
	fullSeekCheckEvery = 16
	page               = 1_000
)

// checkPlace: the pair number place of the key order; of keys alone, value is nil.
func (c *cellContext) checkPlace(place int, key, value []byte) error {
	index := int(c.inKeyOrder()[place])
	if !bytes.Equal(key, c.data.key(index)) {
		return fmt.Errorf("another key where key %d comes next", index)
	}
	if value == nil {
		return nil
	}
	return c.check(index, value)
}

// pass reads everything once and hands back the bytes seen.
func (c *cellContext) pass(opts badger.IteratorOptions, fully bool) (int, error) {
	seen, size, last := 0, 0, c.data.Count-1
	err := c.store.scan(opts, func(key, value []byte) error {
		number := seen
		seen++
		size += len(key) + len(value)
		if number > last {
			return fmt.Errorf("more entries than were put")
		}
		if !fully && number%page != 0 && number%page != page-1 && number != last {
			return nil
		}
		if opts.Reverse {
			number = last - number
		}
		return c.checkPlace(number, key, value)
	})
	if err == nil && seen != c.data.Count {
		err = fmt.Errorf("saw %d of %d entries", seen, c.data.Count)
	}
	return size, err
}

// scan makes whole passes until the time is up, at least one.
func scan(opts badger.IteratorOptions) func(*cellContext) (*cell, error) {
	return func(c *cellContext) (*cell, error) {
		if _, err := c.pass(opts, true); err != nil {
			return nil, err
		}
		scanned := 0
		passes := func(l *lane) error {
			for l.done == 0 || !l.meter.over.Load() && l.done < l.meter.operations {
				size, err := c.pass(opts, false)
				if err != nil {
					return err
				}
				scanned += size
				l.count(l.meter.elapsed(), c.data.Count)
			}
			return nil
		}
		found, err := c.measure(func(m *meter) error { return m.inLanes(1, passes) }, measuring{})
		if err != nil {
			return nil, err
		}
		found.Figures["scannedBytes"] = float64(scanned)
		return found, nil
	}
}

func seekRandom(c *cellContext) (*cell, error) {
	order := c.inKeyOrder()
	seek := func(at, _ int) error {
		place := c.random(seekSeed, at)
		found, err := c.store.seek(c.data.key(int(order[place])), seekPairs)
		if err != nil {
			return err
		}
		expected := min(seekPairs, len(order)-place)
		if len(found) != expected {
			return fmt.Errorf("%d pairs where %d follow", len(found), expected)
		}
		stride := max(1, expected-1)
		if at%fullSeekCheckEvery == 0 {
			stride = 1
		}
		for number := 0; number < expected; number += stride {
			if err := c.checkPlace(place+number, found[number].key, found[number].value); err != nil {
				return err
			}
		}
		return nil
	}
	return c.measure(func(m *meter) error { return m.timed(1, 1, seek) }, afterWarmUp)
}
