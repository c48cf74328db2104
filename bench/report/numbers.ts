// Figures as people read them: three digits and a unit, a dash for what was not measured.
import { figure } from '../output/table.ts'

export const DASH = '–'

function unit(value: number | undefined, steps: readonly (readonly [number, string])[]): string {
  if (value === undefined || !Number.isFinite(value)) return DASH
  const [size, name] = steps.find(([least]) => value >= least * 0.9995) ?? steps.at(-1)!
  return `${figure(value / size)} ${name}`
}

export function bytes(value: number | undefined): string {
  return unit(value, [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [1024, 'KiB'],
    [1, 'B'],
  ])
}

export function micros(value: number | undefined): string {
  return unit(value, [
    [1e6, 's'],
    [1e3, 'ms'],
    [1, 'µs'],
  ])
}

export function millis(value: number | undefined): string {
  return micros(value === undefined ? undefined : value * 1000)
}

export function times(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return DASH
  return `${value < 99.5 ? value.toFixed(2) : Math.round(value).toLocaleString('en-US')} ×`
}

/** Half of the distance between the extremes, as a share of the middle: 0.08 → ±4 % */
export function plusMinus(spread: number): string {
  return `±${Math.round(spread * 50)} %`
}

/** `1,000,000 keys of 16 B, values of 100 B: 111 MiB` */
export function describeDataset(dataset: {
  readonly count: number
  readonly keyBytes: number
  readonly valueBytes: number
}): string {
  const { count, keyBytes, valueBytes } = dataset
  const size = Math.round((count * (keyBytes + valueBytes)) / 2 ** 20)
  const keys = count.toLocaleString('en-US')
  return `${keys} keys of ${keyBytes} B, values of ${valueBytes} B: ${size.toLocaleString('en-US')} MiB`
}
