package main

// Compaction, and opening what a process left behind, closed or killed in the middle: bench/workloads/space.ts.

import "time"

const (
	compactSpots = 100
	uncleanLanes = 256
	uncleanMax   = 100_000
)

func uncleanPuts(keys int) int {
	return min(uncleanMax, keys)
}

func compact(c *cellContext) (*cell, error) {
	once := func(l *lane) error {
		if err := c.store.compact(); err != nil {
			return err
		}
		l.count(l.meter.elapsed(), c.data.Count)
		return nil
	}
	return c.measure(func(m *meter) error { return m.inLanes(1, once) }, measuring{
		verify: func(int) error {
			for index := 0; index < c.data.Count; index += max(1, c.data.Count/compactSpots) {
				found, err := c.store.get(c.data.key(index))
				if err == nil {
					err = c.check(index, found)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// reopened: the session opened the database just now.
func reopened(c *cellContext) (*cell, error) {
	index := c.data.Count / 2
	started := time.Now()
	found, err := c.store.get(c.data.key(index))
	took := time.Since(started)
	cpuMs, figures := c.opening.figures()
	if err == nil {
		err = c.check(index, found)
	}
	if err != nil {
		return nil, err
	}
	figures["openMs"] = milliseconds(c.openTook)
	figures["firstGetMs"] = milliseconds(took)
	return &cell{
		Workload:   c.step.Workload,
		Operations: 1,
		ElapsedMs:  milliseconds(c.openTook + took),
		CPUMs:      cpuMs,
		Figures:    figures,
	}, nil
}

// withNewKeys has the keys that unclean puts: its own, and so many that follow them.
func (data *dataset) withNewKeys(count int) *dataset {
	spec := data.datasetSpec
	spec.Count += count
	return newDataset(spec)
}

// putUnclean puts new keys; the database stays open until the process is killed.
func putUnclean(c *cellContext) (*cell, error) {
	given := c.limits(0)
	all := c.data.withNewKeys(given.operations)
	put := func(at, _ int) error {
		index := c.data.Count + at
		return c.store.put(all.key(index), all.value(index, 0))
	}
	found, err := c.measure(func(m *meter) error { return m.timed(uncleanLanes, 1, put) }, measuring{
		alive: func(operations int) int { return c.data.Count + operations },
	})
	if err != nil {
		return nil, err
	}
	found.Figures["acked"] = float64(found.Operations)
	return found, nil
}

// reopenedAfterKill counts acked puts of the killed process that are gone; parameter `acked`: how many it made.
func reopenedAfterKill(c *cellContext) (*cell, error) {
	cell, err := reopened(c)
	if err != nil {
		return nil, err
	}
	acked := uncleanPuts(c.data.Count)
	if given, ok := c.step.Parameters["acked"].(float64); ok {
		acked = int(given)
	}
	all := c.data.withNewKeys(acked)
	lost := 0
	for index := c.data.Count; index < all.Count; index++ {
		found, err := c.store.get(all.key(index))
		switch {
		case err != nil:
			return nil, err
		case found == nil:
			lost++
		default:
			if err := all.check(index, found, 0); err != nil {
				return nil, err
			}
		}
	}
	cell.Figures["acked"] = float64(acked)
	cell.Figures["lost"] = float64(lost)
	return cell, nil
}
