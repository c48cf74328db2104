package main

// Keys and values of a run: bench/data/random.ts and bench/data/dataset.ts bit for bit. testdata/generators.json
// holds both to the same bytes.

import (
	"bytes"
	"fmt"
	"slices"
)

const (
	valuesBytesMax = 16 << 20
	piecesMax      = 10_007
	fullCheckEvery = 16
	digits         = 10
	orderSeed      = 7_919
)

var prefixes = [8]string{
	"user/profile/",
	"user/session/",
	"shop/article/",
	"shop/invoice/",
	"log/service-a/",
	"log/service-b/",
	"geo/europe/",
	"geo/oceania/",
}

// mix is a bijection on 32 bits.
func mix(index uint32) uint32 {
	word := (index ^ index>>16) * 0x21f0aaad
	word = (word ^ word>>15) * 0x735a2d97
	return word ^ word>>15
}

// wordAt is the word number at of the generator words(seed) in random.ts; goroutines ask for it in any order.
func wordAt(seed uint32, at int) uint32 {
	return mix(seed + uint32(at+1)*0x9e3779b9)
}

// words is the generator itself; one 32-bit word per call.
func words(seed uint32) func() uint32 {
	at := -1
	return func() uint32 {
		at++
		return wordAt(seed, at)
	}
}

// shuffled is 0 … count − 1, each once, in an order that depends on the seed alone (Fisher and Yates).
func shuffled(count int, seed uint32) []uint32 {
	next := words(seed)
	order := make([]uint32, count)
	for at := range order {
		order[at] = uint32(at)
	}
	for at := count - 1; at > 0; at-- {
		other := next() % uint32(at+1)
		order[at], order[other] = order[other], order[at]
	}
	return order
}

type datasetSpec struct {
	Count      int    `json:"count"`
	Keys       string `json:"keys"`
	KeyBytes   int    `json:"keyBytes"`
	ValueBytes int    `json:"valueBytes"`
	Seed       uint32 `json:"seed"`
}

// validate holds the rules of bench/data/dataset.ts.
func (spec datasetSpec) validate() error {
	smallest, known := map[string]int{"random": 4, "sequential": digits, "text": 24}[spec.Keys]
	if !known {
		return fmt.Errorf("keys '%s': known are random, sequential, text", spec.Keys)
	}
	if spec.KeyBytes < smallest || spec.Keys == "random" && spec.KeyBytes%4 != 0 {
		return fmt.Errorf("%s keys do not come with %d bytes", spec.Keys, spec.KeyBytes)
	}
	if spec.Count < 1 || spec.ValueBytes < 2 {
		return fmt.Errorf("%d keys with values of %d bytes are no data set", spec.Count, spec.ValueBytes)
	}
	return nil
}

type dataset struct {
	datasetSpec
	keys   []byte
	values []byte
	pieces int
}

func newDataset(spec datasetSpec) *dataset {
	data := &dataset{datasetSpec: spec, keys: make([]byte, spec.Count*spec.KeyBytes)}
	next := words(spec.Seed)
	if spec.Keys == "random" {
		for at := 0; at < len(data.keys); at += 4 {
			word := next()
			data.keys[at] = byte(word)
			data.keys[at+1] = byte(word >> 8)
			data.keys[at+2] = byte(word >> 16)
			data.keys[at+3] = byte(word >> 24)
		}
	} else {
		for index := range spec.Count {
			copy(data.key(index), data.textKey(uint32(index)))
		}
	}
	data.pieces = min(piecesMax, max(1, valuesBytesMax/spec.ValueBytes))
	data.values = make([]byte, data.pieces*spec.ValueBytes)
	half := spec.ValueBytes / 2
	for piece := range data.pieces {
		value := data.values[piece*spec.ValueBytes : (piece+1)*spec.ValueBytes]
		for at := range spec.ValueBytes - half {
			value[at] = byte(next())
		}
		copy(value[spec.ValueBytes-half:], value[:half])
	}
	return data
}

// textKey has a unique number, mixed so that keys come in no order.
func (data *dataset) textKey(index uint32) string {
	head := data.KeyBytes - digits
	if data.Keys == "sequential" {
		return fmt.Sprintf("%0*d", head+digits, index)
	}
	number := mix(index)
	text := []byte(prefixes[number&7])
	for len(text) < head {
		text = append(text, '.')
	}
	return fmt.Sprintf("%s%0*d", text, digits, number)
}

// key is a view; its bytes never change, so a transaction may keep it.
func (data *dataset) key(index int) []byte {
	start := index * data.KeyBytes
	return data.keys[start : start+data.KeyBytes : start+data.KeyBytes]
}

// missingKey was never written and lies between two keys that may have been.
func (data *dataset) missingKey(index int) []byte {
	return append(bytes.Clone(data.key(index)), 0x21)
}

// value is a view; generation tells a rewritten value from the first one.
func (data *dataset) value(index, generation int) []byte {
	start := (index + generation) % data.pieces * data.ValueBytes
	return data.values[start : start+data.ValueBytes : start+data.ValueBytes]
}

func (data *dataset) pairsOf(indexes []uint32, generation int) []pair {
	pairs := make([]pair, len(indexes))
	for at, index := range indexes {
		pairs[at] = pair{data.key(int(index)), data.value(int(index), generation)}
	}
	return pairs
}

func (data *dataset) shuffled() []uint32 {
	return shuffled(data.Count, orderSeed)
}

// ascending is all indexes in key order.
func (data *dataset) ascending() []uint32 {
	order := make([]uint32, data.Count)
	for at := range order {
		order[at] = uint32(at)
	}
	if data.Keys != "sequential" {
		slices.SortFunc(order, func(a, b uint32) int {
			return bytes.Compare(data.key(int(a)), data.key(int(b)))
		})
	}
	return order
}

func (data *dataset) keysOf(indexes []uint32) [][]byte {
	keys := make([][]byte, len(indexes))
	for at, index := range indexes {
		keys[at] = data.key(int(index))
	}
	return keys
}

// check fails unless found is the value of index: length and some bytes always, all bytes now and then.
func (data *dataset) check(index int, found []byte, generation int) error {
	wanted := data.value(index, generation)
	last := len(wanted) - 1
	same := len(found) == len(wanted) && found[0] == wanted[0] && found[1] == wanted[1] &&
		found[last] == wanted[last] &&
		(index%fullCheckEvery != 0 || bytes.Equal(found, wanted))
	if !same {
		return fmt.Errorf("key %d: a wrong value (%d bytes)", index, len(found))
	}
	return nil
}
