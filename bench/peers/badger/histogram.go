package main

// Latencies in buckets whose width grows with the value: bench/data/histogram.ts in Go, 64 buckets to each power
// of two, so that a quantile is at most 1.6 % off. testdata/generators.json holds both to the same summary.

import (
	"math"
	"math/bits"
	"strconv"
	"time"
)

const (
	subBuckets  = 64
	exactBits   = 7
	buckets     = (42-exactBits)*subBuckets + 1<<exactBits
	curveDigits = 5
)

// latencySummary is in µs.
type latencySummary struct {
	Count int64        `json:"count"`
	Mean  float64      `json:"mean"`
	P50   float64      `json:"p50"`
	P90   float64      `json:"p90"`
	P99   float64      `json:"p99"`
	P999  float64      `json:"p999"`
	Max   float64      `json:"max"`
	Curve [][2]float64 `json:"curve"`
}

type histogram struct {
	counts   [buckets]int64
	count    int64
	sum      float64
	min, max int64
}

func bucketOf(nanoseconds int64) int {
	capped := uint64(min(nanoseconds, int64(time.Hour)))
	shift := max(0, bits.Len64(capped)-exactBits)
	return shift*subBuckets + int(capped>>shift)
}

// middleOf is the middle of a bucket, in ns.
func middleOf(bucket int) float64 {
	shift := max(0, bucket/subBuckets-1)
	width := float64(int64(1) << shift)
	return float64(bucket-shift*subBuckets)*width + (width-1)/2
}

func (h *histogram) record(latency time.Duration) {
	nanoseconds := max(0, latency.Nanoseconds())
	h.counts[bucketOf(nanoseconds)]++
	if h.count == 0 || nanoseconds < h.min {
		h.min = nanoseconds
	}
	h.count++
	h.sum += float64(nanoseconds)
	h.max = max(h.max, nanoseconds)
}

// add takes over what other has recorded.
func (h *histogram) add(other *histogram) {
	if other.count == 0 {
		return
	}
	for bucket, count := range other.counts {
		h.counts[bucket] += count
	}
	if h.count == 0 || other.min < h.min {
		h.min = other.min
	}
	h.count += other.count
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// curveQuantiles are 0, 0.1 … 0.8, 0.9, 0.91 … 0.9998, 0.9999, 0.99999, 1.
func curveQuantiles() []float64 {
	var quantiles []float64
	for scale := 10.0; scale <= 1e4; scale *= 10 {
		for step := 10.0; step >= 2; step-- {
			quantiles = append(quantiles, rounded(1-step/scale))
		}
	}
	return append(quantiles, rounded(1-1e-4), rounded(1-1e-5), 1)
}

// rounded makes 0.7 of 0.7000000000000001.
func rounded(quantile float64) float64 {
	value, err := strconv.ParseFloat(strconv.FormatFloat(quantile, 'f', curveDigits, 64), 64)
	if err != nil {
		panic(err)
	}
	return value
}

// valueAt is the smallest value, in µs, that the share quantile of all values does not exceed.
func (h *histogram) valueAt(quantile float64) float64 {
	if quantile == 0 {
		return float64(h.min) / 1e3
	}
	if quantile == 1 {
		return float64(h.max) / 1e3
	}
	rank := max(1, int64(math.Ceil(quantile*float64(h.count))))
	bucket, seen := -1, int64(0)
	for seen < rank {
		bucket++
		seen += h.counts[bucket]
	}
	return min(float64(h.max), max(float64(h.min), middleOf(bucket))) / 1e3
}

// summary is nil of an empty histogram.
func (h *histogram) summary() *latencySummary {
	if h.count == 0 {
		return nil
	}
	found := &latencySummary{
		Count: h.count,
		Mean:  h.sum / float64(h.count) / 1e3,
		P50:   h.valueAt(0.5),
		P90:   h.valueAt(0.9),
		P99:   h.valueAt(0.99),
		P999:  h.valueAt(0.999),
		Max:   h.valueAt(1),
	}
	for _, quantile := range curveQuantiles() {
		found.Curve = append(found.Curve, [2]float64{quantile, h.valueAt(quantile)})
	}
	return found
}
