package main

// Fills, overwrites, single puts and deletes: bench/workloads/write.ts. What is in flight there are goroutines here.

import "fmt"

const (
	overwriteSeed = 104_729
	deleteSeed    = 1_299_709
	ranges        = 100
	// rangeShare: one range holds this part of the keys.
	rangeShare   = 1_000
	rangeKeysMin = 2 * ranges
)

// inBatches writes in the order of orderOf; generation 0 fills, generation 1 overwrites.
func inBatches(orderOf func(*cellContext) []uint32, generation int) func(*cellContext) (*cell, error) {
	return func(c *cellContext) (*cell, error) {
		order := orderOf(c)
		write := func(at, count int) error {
			return c.store.writeBatch(c.data.pairsOf(order[at:at+count], generation))
		}
		options := measuring{
			most:    len(order),
			windows: true,
			verify: func(operations int) error {
				return c.spotCheck(order[:operations], c.ofGeneration(generation))
			},
		}
		if generation == 0 {
			options.alive = func(operations int) int { return operations }
		}
		return c.measure(func(m *meter) error { return m.timed(c.lanes(), c.batch(), write) }, options)
	}
}

// inPuts puts one key at a time in random order, from so many goroutines.
func inPuts(lanes int) func(*cellContext) (*cell, error) {
	return func(c *cellContext) (*cell, error) {
		order := c.data.shuffled()
		put := func(at, _ int) error {
			index := int(order[at])
			return c.store.put(c.data.key(index), c.data.value(index, 0))
		}
		return c.measure(func(m *meter) error { return m.timed(lanes, 1, put) }, measuring{
			most:    len(order),
			windows: true,
			alive:   func(operations int) int { return operations },
			verify: func(operations int) error {
				return c.spotCheck(order[:operations], c.ofGeneration(0))
			},
		})
	}
}

// durable refuses an order of another class, whose figures would lie.
func durable(run func(*cellContext) (*cell, error)) func(*cellContext) (*cell, error) {
	return func(c *cellContext) (*cell, error) {
		if c.order.Durability != "sync" {
			return nil, fmt.Errorf("it needs durability sync, the order says %s", c.order.Durability)
		}
		return run(c)
	}
}

func deleteRandom(c *cellContext) (*cell, error) {
	order := shuffled(c.data.Count, deleteSeed)
	remove := func(at, count int) error { return c.store.deleteBatch(c.data.keysOf(order[at : at+count])) }
	return c.measure(func(m *meter) error { return m.timed(c.lanes(), c.batch(), remove) }, measuring{
		most:    len(order),
		windows: true,
		alive:   func(operations int) int { return c.data.Count - operations },
		verify: func(operations int) error {
			if err := c.spotCheck(order[:operations], gone); err != nil {
				return err
			}
			return c.checkKept(order[operations:])
		},
	})
}

// deleteRange removes 100 ranges of a thousandth of the keys each, evenly spread over the key order.
func deleteRange(c *cellContext) (*cell, error) {
	count := c.data.Count
	if count < rangeKeysMin {
		return nil, fmt.Errorf("it needs %d keys, the data set has %d", rangeKeysMin, count)
	}
	order := c.inKeyOrder()
	size := max(1, count/rangeShare)
	start := func(number int) int { return number * count / ranges }
	keyAt := func(place int) []byte { return c.data.key(int(order[place])) }
	remove := func(at, _ int) error {
		return c.store.deleteRange(keyAt(start(at)), keyAt(start(at)+size))
	}
	return c.measure(func(m *meter) error { return m.timed(1, 1, remove) }, measuring{
		most:    ranges,
		windows: true,
		alive:   func(done int) int { return count - done*size },
		verify: func(done int) error {
			for number := range ranges {
				inside := order[start(number) : start(number)+size]
				if number >= done {
					if err := c.checkKept(inside); err != nil {
						return err
					}
				} else if err := c.spotCheck(inside, gone); err != nil {
					return err
				}
				if err := c.checkKept(order[start(number)+size:]); err != nil {
					return err
				}
			}
			return nil
		},
	})
}
