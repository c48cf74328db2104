package main

// Runs the steps of an order on one database, in their order, and closes it: bench/session/session-run.ts. What
// prepares and settles is off the clock.

import (
	"errors"
	"fmt"
	"os"
	"time"
)

const unclean = "unclean"

type session struct {
	order     order
	data      *dataset
	store     *store // nil once closed
	opening   usageSince
	openTook  time.Duration
	closeTook time.Duration
	// filled: the directory held a database, or a step has filled it.
	filled    bool
	settled   *settleReport
	ascending []uint32
	result    result
}

// runSession hands back the result; after a step `unclean` the database is left open.
func runSession(wanted order, version string) (*result, error) {
	s := &session{order: wanted, data: newDataset(wanted.Dataset)}
	s.result = result{Engine: wanted.Engine, Version: version, Cells: []cell{}, Skipped: []skip{}}
	if err := s.open(); err != nil {
		return nil, err
	}
	for _, each := range wanted.Steps {
		if err := s.runStep(each); err != nil {
			return nil, fmt.Errorf("%s: %w", each.Workload, err)
		}
	}
	if !wanted.staysOpen() {
		if err := s.end(); err != nil {
			return nil, err
		}
	}
	s.result.PeakMiB = peakMiB()
	s.result.CPUSeconds = cpuTime().Seconds()
	return &s.result, nil
}

func (wanted order) staysOpen() bool {
	return len(wanted.Steps) > 0 && wanted.Steps[len(wanted.Steps)-1].Workload == unclean
}

func (s *session) open() error {
	if err := os.MkdirAll(s.order.Location, 0o777); err != nil {
		return err
	}
	held, err := os.ReadDir(s.order.Location)
	if err != nil {
		return err
	}
	s.filled = len(held) > 0
	s.opening = usageNow()
	s.store, err = openStore(s.order)
	s.openTook = time.Since(s.opening.started)
	return err
}

func (s *session) runStep(wanted step) error {
	if s.store == nil {
		return errors.New("the step before it ends with its process; it must be the last one")
	}
	if wanted.Workload == "prepare" {
		return s.prepare(wanted)
	}
	info, known := workloads[wanted.Workload]
	if !known {
		s.result.Skipped = append(s.result.Skipped, skip{wanted.Workload, "the driver of Badger does not have it"})
		return nil
	}
	if (info.begins == empty) == s.filled {
		return fmt.Errorf("it begins with a database that is %s; %s is not", info.begins, s.order.Location)
	}
	if info.begins == settled && s.settled == nil {
		if err := s.store.compact(); err != nil {
			return err
		}
		s.settled = s.store.settled(s.data.Count)
		if err := s.fillCaches(); err != nil {
			return err
		}
	}
	measured, err := info.run(&cellContext{session: s, info: info, step: wanted})
	if err != nil {
		return err
	}
	if info.begins == settled {
		measured.Settled = s.settled
	}
	if info.begins != settled || info.spoils {
		s.settled = nil
	}
	s.filled = true
	s.result.Cells = append(s.result.Cells, *measured)
	return nil
}

// Random reads that meet nearly every block of a million small entries.
const (
	cacheFillReads   = 150_000
	cacheFillSeconds = 4
)

// fillCaches lets the caches know most of the data: else the first of the reads would pay for all of them.
func (s *session) fillCaches() error {
	until := time.Now().Add(cacheFillSeconds * time.Second)
	order := s.data.shuffled()
	order = order[:min(cacheFillReads, len(order))]
	for len(order) > 0 && time.Now().Before(until) {
		some := order[:min(many, len(order))]
		order = order[len(some):]
		if _, err := s.store.getMany(s.data.keysOf(some)); err != nil {
			return err
		}
	}
	return nil
}

// prepare puts the keys that are missing, in random order.
func (s *session) prepare(wanted step) error {
	size := valueOr(wanted.Batch, defaultBatch)
	order := s.data.shuffled()
	for len(order) > 0 {
		some := order[:min(size, len(order))]
		order = order[len(some):]
		missing := s.data.pairsOf(some, 0)
		if s.filled {
			found, err := s.store.getMany(s.data.keysOf(some))
			if err != nil {
				return err
			}
			all := missing
			missing = nil
			for at, each := range all {
				if found[at] == nil {
					missing = append(missing, each)
				}
			}
		}
		if err := s.store.writeBatch(missing); err != nil {
			return err
		}
	}
	s.filled = true
	s.settled = nil
	return nil
}

func (s *session) close() error {
	started := time.Now()
	err := s.store.close()
	s.store = nil
	s.closeTook = time.Since(started)
	return err
}

// end closes; the last cell tells how long that took and what the database then takes on disk.
func (s *session) end() error {
	if s.store != nil {
		if err := s.close(); err != nil {
			return err
		}
	}
	if len(s.result.Cells) == 0 {
		return nil
	}
	size, err := directoryBytes(s.order.Location)
	last := s.result.Cells[len(s.result.Cells)-1]
	last.Figures["diskBytes"] = float64(size)
	last.Figures["closeMs"] = milliseconds(s.closeTook)
	return err
}

// inKeyOrder is all indexes in key order, sorted once.
func (s *session) inKeyOrder() []uint32 {
	if s.ascending == nil {
		s.ascending = s.data.ascending()
	}
	return s.ascending
}
