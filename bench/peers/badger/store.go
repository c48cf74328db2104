package main

// One open Badger database with the options of its preset. What it returns is owned by the caller.

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// scanPrefetch is what full scans ask for: the fastest of 10, 100 (the default) and 1,000.
const scanPrefetch = 1_000

type pair struct{ key, value []byte }

type store struct {
	db      *badger.DB
	options badger.Options
	tuned   bool
}

// tunedThreshold is Sett's: values of 1 KiB and more leave the tree. Badger's default of 1 MiB keeps them in it.
const tunedThreshold = 1 << 10

// presetOptions: `badger` is DefaultOptions, `badger:tuned` gives up checks and compression for speed.
func presetOptions(wanted order) (badger.Options, error) {
	opts := badger.DefaultOptions(wanted.Location).
		WithLogger(nil).
		WithSyncWrites(wanted.Durability == "sync")
	if wanted.Workers != nil {
		// It refuses to run with a single one.
		opts = opts.WithNumCompactors(max(2, *wanted.Workers))
	}
	switch wanted.Engine {
	case "badger":
		return opts, nil
	case "badger:tuned":
		return opts.
			WithCompression(options.None).
			WithBlockCacheSize(0).
			WithMetricsEnabled(false).
			WithMemTableSize(128 << 20).
			WithValueThreshold(tunedThreshold).
			WithDetectConflicts(false), nil
	}
	return opts, fmt.Errorf("no engine is called %q here; known: badger, badger:tuned", wanted.Engine)
}

func openStore(wanted order) (*store, error) {
	opts, err := presetOptions(wanted)
	if err != nil {
		return nil, err
	}
	db, err := badger.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", wanted.Location, err)
	}
	return &store{db: db, options: opts, tuned: wanted.Engine == "badger:tuned"}, nil
}

func (s *store) close() error {
	return s.db.Close()
}

// writeBatch is one transaction, or several where a batch is above Badger's limit (values of 16 KiB).
func (s *store) writeBatch(pairs []pair) error {
	batch := s.db.NewWriteBatch()
	defer batch.Cancel()
	for _, each := range pairs {
		if err := batch.Set(each.key, each.value); err != nil {
			return err
		}
	}
	return batch.Flush()
}

func (s *store) deleteBatch(keys [][]byte) error {
	batch := s.db.NewWriteBatch()
	defer batch.Cancel()
	for _, key := range keys {
		if err := batch.Delete(key); err != nil {
			return err
		}
	}
	return batch.Flush()
}

func (s *store) put(key, value []byte) error {
	return s.db.Update(func(txn *badger.Txn) error { return txn.Set(key, value) })
}

// read is nil where there is no such key.
func read(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

// get has a read transaction of its own, as a call without one has elsewhere.
func (s *store) get(key []byte) (value []byte, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		value, err = read(txn, key)
		return err
	})
	return value, err
}

func (s *store) getMany(keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	err := s.db.View(func(txn *badger.Txn) (err error) {
		for at, key := range keys {
			if values[at], err = read(txn, key); err != nil {
				return err
			}
		}
		return nil
	})
	return values, err
}

// iterate calls visit with every item from `from`, until it says false.
func (s *store) iterate(opts badger.IteratorOptions, from []byte, visit func(*badger.Item) (bool, error)) error {
	return s.db.View(func(txn *badger.Txn) error {
		iterator := txn.NewIterator(opts)
		defer iterator.Close()
		for iterator.Seek(from); iterator.Valid(); iterator.Next() {
			if more, err := visit(iterator.Item()); err != nil || !more {
				return err
			}
		}
		return nil
	})
}

func pairsInOrder(reverse bool) badger.IteratorOptions {
	opts := badger.DefaultIteratorOptions
	opts.PrefetchSize = scanPrefetch
	opts.Reverse = reverse
	return opts
}

func keysOnly() badger.IteratorOptions {
	opts := badger.DefaultIteratorOptions
	opts.PrefetchValues = false
	return opts
}

// scan calls visit with all keys and values of its own, in key order or against it; of keys alone, value is nil.
func (s *store) scan(opts badger.IteratorOptions, visit func(key, value []byte) error) error {
	return s.iterate(opts, nil, func(item *badger.Item) (bool, error) {
		var value []byte
		if opts.PrefetchValues {
			var err error
			if value, err = item.ValueCopy(nil); err != nil {
				return false, err
			}
		}
		return true, visit(item.KeyCopy(nil), value)
	})
}

// seek is up to count pairs from the first key ≥ from. Badger's default iterator reads 100 values ahead; the tuned
// one reads those it is asked for.
func (s *store) seek(from []byte, count int) ([]pair, error) {
	opts := badger.DefaultIteratorOptions
	opts.PrefetchValues = !s.tuned
	found := make([]pair, 0, count)
	err := s.iterate(opts, from, func(item *badger.Item) (bool, error) {
		value, err := item.ValueCopy(nil)
		found = append(found, pair{item.KeyCopy(nil), value})
		return len(found) < count, err
	})
	return found, err
}

// deleteRange removes from ≤ key < to. Badger has no call for it: read the keys, delete each.
func (s *store) deleteRange(from, to []byte) error {
	var keys [][]byte
	err := s.iterate(keysOnly(), from, func(item *badger.Item) (bool, error) {
		key := item.KeyCopy(nil)
		if bytes.Compare(key, to) >= 0 {
			return false, nil
		}
		keys = append(keys, key)
		return true, nil
	})
	if err != nil {
		return err
	}
	return s.deleteBatch(keys)
}

// reopen closes and opens again; compactOnClose is for the close that follows.
func (s *store) reopen(compactOnClose bool) error {
	if err := s.db.Close(); err != nil {
		return err
	}
	db, err := badger.Open(s.options.WithCompactL0OnClose(compactOnClose))
	if err != nil {
		return err
	}
	s.db = db
	return nil
}

// compact rewrites everything into one level. Only Close writes the memtable out and only a Close with
// CompactL0OnClose empties a level 0 of few tables; Flatten does the rest.
func (s *store) compact() error {
	for _, compactOnClose := range []bool{true, false} {
		if err := s.reopen(compactOnClose); err != nil {
			return err
		}
	}
	return s.db.Flatten(s.options.NumCompactors)
}

func (s *store) levels() []levelFigures {
	entries := make(map[int]int64)
	for _, table := range s.db.Tables() {
		entries[table.Level] += int64(table.KeyCount)
	}
	var found []levelFigures
	for _, level := range s.db.Levels() {
		found = append(found, levelFigures{level.Level, level.NumTables, level.Size, entries[level.Level]})
	}
	return found
}

// settled tells where the count keys of the database lie.
func (s *store) settled(count int) *settleReport {
	var layout []string
	var inTables int64
	for _, level := range s.levels() {
		inTables += level.Entries
		if level.Tables > 0 {
			layout = append(layout, fmt.Sprintf("L%d:%d", level.Level, level.Tables))
		}
	}
	share := min(1, float64(inTables)/float64(count))
	return &settleReport{TableShare: &share, Layout: strings.Join(layout, " ")}
}
