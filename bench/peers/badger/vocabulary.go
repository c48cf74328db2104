package main

// The workloads by the names of bench/workloads/vocabulary.ts, which says the same of how each begins and ends.

// What a workload begins with.
const (
	empty   = "empty"
	filled  = "filled"
	settled = "settled"
)

// workload says how one begins and ends.
type workload struct {
	begins string
	// spoils: the database is no longer the whole data set afterwards.
	spoils bool
	// closes: closing the database is part of the cell.
	closes bool
	// operations of a data set of so many keys; nil: as many as fit into the time.
	operations func(keys int) int
	run        func(*cellContext) (*cell, error)
}

func all(keys int) int {
	return keys
}

func once(int) int {
	return 1
}

func rangeCount(int) int {
	return ranges
}

func keyOrder(c *cellContext) []uint32 {
	return c.inKeyOrder()
}

func fillOrder(c *cellContext) []uint32 {
	return c.data.shuffled()
}

func overwriteOrder(c *cellContext) []uint32 {
	return shuffled(c.data.Count, overwriteSeed)
}

var workloads = map[string]workload{
	"fillseq":             {begins: empty, closes: true, operations: all, run: inBatches(keyOrder, 0)},
	"fillrandom":          {begins: empty, closes: true, operations: all, run: inBatches(fillOrder, 0)},
	"overwrite":           {begins: filled, closes: true, operations: all, run: inBatches(overwriteOrder, 1)},
	"put1":                {begins: empty, spoils: true, closes: true, operations: all, run: inPuts(1)},
	"put256":              {begins: empty, spoils: true, closes: true, operations: all, run: inPuts(256)},
	"deleterandom":        {begins: filled, spoils: true, closes: true, operations: all, run: deleteRandom},
	"deleterange":         {begins: filled, spoils: true, closes: true, operations: rangeCount, run: deleteRange},
	"fillsync1":           {begins: empty, spoils: true, closes: true, operations: all, run: durable(inPuts(1))},
	"fillsync64":          {begins: empty, spoils: true, closes: true, operations: all, run: durable(inPuts(64))},
	"readrandom-sync":     {begins: settled, run: readRandom(1)},
	"readrandom-await1":   {begins: settled, run: readRandom(1)},
	"readrandom-await64":  {begins: settled, run: readRandom(64)},
	"getMany100":          {begins: settled, run: readMany},
	"readmissing":         {begins: settled, run: readMissing(1)},
	"readmissing-await64": {begins: settled, run: readMissing(64)},
	"readwhilewriting":    {begins: settled, spoils: true, run: readWhileWriting},
	"readseq":             {begins: settled, run: scan(pairsInOrder(false))},
	"readseq-keys":        {begins: settled, run: scan(keysOnly())},
	"readreverse":         {begins: settled, run: scan(pairsInOrder(true))},
	"seekrandom10":        {begins: settled, run: seekRandom},
	"compact":             {begins: filled, operations: all, run: compact},
	"reopen-close":        {begins: filled, operations: once, run: reopened},
	"reopen-kill":         {begins: filled, operations: once, run: reopenedAfterKill},
	unclean:               {begins: filled, spoils: true, operations: uncleanPuts, run: putUnclean},
}
