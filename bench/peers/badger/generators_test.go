package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"
)

// golden is testdata/generators.json, which test/unit/bench/generators.test.ts holds the generators in TypeScript to.
type golden struct {
	Words struct {
		Seed  uint32
		First []uint32
	}
	Shuffled struct {
		Count int
		Seed  uint32
		Order []uint32
	}
	Datasets []struct {
		Spec       datasetSpec
		Keys       []string
		MissingKey string
		Shuffled   []uint32
		Ascending  []uint32
		KeysHash   string
		ValuesHash string
	}
	Histogram struct {
		Seed      uint32
		Latencies int
		Below     uint32
		Summary   latencySummary
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	text, err := os.ReadFile("testdata/generators.json")
	if err != nil {
		t.Fatal(err)
	}
	var found golden
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func same(t *testing.T, what string, found, wanted any) {
	t.Helper()
	if !reflect.DeepEqual(found, wanted) {
		t.Errorf("%s: %v, wanted %v", what, found, wanted)
	}
}

func TestNumbersAreThoseOfTypeScript(t *testing.T) {
	wanted := readGolden(t)
	next := words(wanted.Words.Seed)
	for at, word := range wanted.Words.First {
		same(t, "word", next(), word)
		same(t, "word asked for by its place", wordAt(wanted.Words.Seed, at), word)
	}
	same(t, "shuffled", shuffled(wanted.Shuffled.Count, wanted.Shuffled.Seed), wanted.Shuffled.Order)
}

func TestKeysAndValuesAreThoseOfTypeScript(t *testing.T) {
	for _, wanted := range readGolden(t).Datasets {
		t.Run(wanted.Spec.Keys, func(t *testing.T) {
			if err := wanted.Spec.validate(); err != nil {
				t.Fatal(err)
			}
			data := newDataset(wanted.Spec)
			for at, index := range []int{0, 1, data.Count - 1} {
				same(t, "key", hex.EncodeToString(data.key(index)), wanted.Keys[at])
			}
			same(t, "missing key", hex.EncodeToString(data.missingKey(2)), wanted.MissingKey)
			same(t, "shuffled", data.shuffled()[:len(wanted.Shuffled)], wanted.Shuffled)
			same(t, "ascending", data.ascending()[:len(wanted.Ascending)], wanted.Ascending)
			keys, values := sha256.New(), sha256.New()
			for index := range data.Count {
				keys.Write(data.key(index))
				values.Write(data.value(index, 0))
				values.Write(data.value(index, 1))
			}
			same(t, "hash of keys", hex.EncodeToString(keys.Sum(nil)), wanted.KeysHash)
			same(t, "hash of values", hex.EncodeToString(values.Sum(nil)), wanted.ValuesHash)
		})
	}
}

func TestHistogramIsThatOfTypeScript(t *testing.T) {
	wanted := readGolden(t).Histogram
	next := words(wanted.Seed)
	var first, second histogram
	for at := range wanted.Latencies {
		latency := time.Duration(next() % wanted.Below)
		if at%2 == 0 {
			first.record(latency)
		} else {
			second.record(latency)
		}
	}
	first.add(&second)
	same(t, "summary", *first.summary(), wanted.Summary)
}

func TestWrongValuesAreFound(t *testing.T) {
	data := newDataset(datasetSpec{Count: 100, Keys: "random", KeyBytes: 16, ValueBytes: 100, Seed: 1})
	if err := data.check(16, data.value(16, 0), 0); err != nil {
		t.Error(err)
	}
	inside := append([]byte{}, data.value(16, 0)...)
	inside[50] ^= 1
	for what, wrong := range map[string][]byte{
		"nothing":         nil,
		"another value":   data.value(17, 0),
		"another length":  data.value(16, 0)[:99],
		"one bit, inside": inside,
	} {
		if data.check(16, wrong, 0) == nil {
			t.Errorf("%s passes for the value of key 16", what)
		}
	}
}
