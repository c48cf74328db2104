package main

// What crosses between the bench and this program: bench/session/protocol.ts, in Go. The order comes as JSON in
// the first argument, the result goes out as the last line.

import (
	"encoding/json"
	"fmt"
)

// order leaves out what concerns Sett alone, such as memtableBytes: peers keep the options of their presets.
type order struct {
	Engine     string      `json:"engine"`
	Location   string      `json:"location"`
	Dataset    datasetSpec `json:"dataset"`
	Durability string      `json:"durability"`
	// Workers is the number of Badger's compactors, which wants at least 2; its default when nil.
	Workers *int   `json:"workers"`
	Steps   []step `json:"steps"`
}

type step struct {
	Workload        string         `json:"workload"`
	Operations      *int           `json:"operations"`
	Seconds         *float64       `json:"seconds"`
	Lanes           int            `json:"lanes"`
	Batch           int            `json:"batch"`
	WritesPerSecond float64        `json:"writesPerSecond"`
	Parameters      map[string]any `json:"parameters"`
}

type windows struct {
	Ms         float64 `json:"ms"`
	Operations []int   `json:"operations"`
}

type settleReport struct {
	TableShare *float64 `json:"tableShare,omitempty"`
	Layout     string   `json:"layout"`
}

type levelFigures struct {
	Level   int   `json:"level"`
	Tables  int   `json:"tables"`
	Bytes   int64 `json:"bytes"`
	Entries int64 `json:"entries"`
}

type cell struct {
	Workload   string             `json:"workload"`
	Operations int                `json:"operations"`
	ElapsedMs  float64            `json:"elapsedMs"`
	Cut        bool               `json:"cut,omitempty"`
	CPUMs      float64            `json:"cpuMs"`
	Latency    *latencySummary    `json:"latency,omitempty"`
	Windows    *windows           `json:"windows,omitempty"`
	Settled    *settleReport      `json:"settled,omitempty"`
	Levels     []levelFigures     `json:"levels,omitempty"`
	Figures    map[string]float64 `json:"figures,omitempty"`
}

type skip struct {
	Workload string `json:"workload"`
	Why      string `json:"why"`
}

type result struct {
	Engine     string  `json:"engine"`
	Version    string  `json:"version"`
	Cells      []cell  `json:"cells"`
	Skipped    []skip  `json:"skipped"`
	PeakMiB    float64 `json:"peakMiB"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

func parseOrder(text string) (order, error) {
	var parsed order
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		return parsed, fmt.Errorf("the order is not understood: %w", err)
	}
	if parsed.Durability != "os" && parsed.Durability != "sync" {
		return parsed, fmt.Errorf("no durability class is called %q; known: os, sync", parsed.Durability)
	}
	return parsed, parsed.Dataset.validate()
}
