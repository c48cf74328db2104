package main

import (
	"strings"
	"testing"
)

const testKeys = 3_000

func orderOf(t *testing.T, location, engine string, steps ...string) order {
	t.Helper()
	short := 0.02
	wanted := order{
		Engine:     engine,
		Location:   location,
		Dataset:    datasetSpec{Count: testKeys, Keys: "random", KeyBytes: 16, ValueBytes: 100, Seed: 301},
		Durability: "os",
	}
	for _, name := range steps {
		each := step{Workload: name, Parameters: map[string]any{"generation": "either"}}
		if info := workloads[name]; info.operations == nil {
			each.Seconds = &short
		}
		if strings.HasPrefix(name, "fillsync") {
			few := 50
			each.Operations = &few
			wanted.Durability = "sync"
		}
		wanted.Steps = append(wanted.Steps, each)
	}
	return wanted
}

func mustRun(t *testing.T, wanted order) *result {
	t.Helper()
	found, err := runSession(wanted, "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range found.Cells {
		if each.Operations < 1 || each.ElapsedMs <= 0 {
			t.Errorf("%s: %d operations in %f ms", each.Workload, each.Operations, each.ElapsedMs)
		}
	}
	return found
}

// Every answer is checked while it runs, so that a session that ends has read what was written.
func TestEveryWorkloadRunsWithBothSetsOfOptions(t *testing.T) {
	for _, engine := range []string{"badger", "badger:tuned"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			measured := map[string]bool{unclean: true}
			run := func(location string, steps ...string) *result {
				found := mustRun(t, orderOf(t, location, engine, steps...))
				for _, each := range found.Cells {
					measured[each.Workload] = true
				}
				return found
			}
			for _, name := range []string{"fillseq", "put1", "put256", "fillsync1", "fillsync64"} {
				run(t.TempDir(), name)
			}
			main := t.TempDir()
			run(main, "fillrandom")
			reads := run(main, "readrandom-sync", "readrandom-await1", "readrandom-await64", "getMany100",
				"readmissing", "readmissing-await64", "readseq", "readseq-keys", "readreverse",
				"seekrandom10", "readwhilewriting")
			if share := *reads.Cells[0].Settled.TableShare; share != 1 {
				t.Errorf("reads began with %f of the entries in tables", share)
			}
			for _, name := range []string{"overwrite", "compact", "reopen-close"} {
				run(main, name)
			}
			killed := run(main, "reopen-kill").Cells[0].Figures
			if killed["lost"] != killed["acked"] {
				t.Errorf("lost %f of %f keys that nobody has put", killed["lost"], killed["acked"])
			}
			run(main, "deleterange")
			run(main, "prepare")
			run(main, "deleterandom")
			for name := range workloads {
				if !measured[name] {
					t.Errorf("%s was not measured", name)
				}
			}
		})
	}
}

func TestOrdersThatCannotBeAreRefused(t *testing.T) {
	location := t.TempDir()
	mustRun(t, orderOf(t, location, "badger", "fillrandom"))
	for name, wanted := range map[string]order{
		"a fill of what is filled":     orderOf(t, location, "badger", "fillseq"),
		"a read of what is empty":      orderOf(t, t.TempDir(), "badger", "readseq"),
		"an engine that is not Badger": orderOf(t, location, "lmdb", "readseq"),
		"a step after the close":       orderOf(t, t.TempDir(), "badger", "fillseq", "readseq"),
	} {
		if _, err := runSession(wanted, "test"); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
	if _, err := parseOrder(`{"durability":"none"}`); err == nil {
		t.Error("a durability class of no meaning is not refused")
	}
}

func TestWorkloadsItDoesNotHaveAreSkipped(t *testing.T) {
	found := mustRun(t, orderOf(t, t.TempDir(), "badger", "prepare", "ycsb-a"))
	if len(found.Skipped) != 1 || found.Skipped[0].Workload != "ycsb-a" {
		t.Errorf("skipped: %v", found.Skipped)
	}
}
