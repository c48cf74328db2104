// Plain text tables; the first column is left-aligned, the others right-aligned.

const COLUMNS_MAX = 140
const GAP = '  '

/** Columns that do not fit beside each other go below, each part with the first column. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const parts: number[][] = []
  let used = Number.POSITIVE_INFINITY
  for (let column = 1; column < widths.length; column++) {
    const wide = widths[column]! + GAP.length
    if (used + wide > COLUMNS_MAX) {
      parts.push([0])
      used = widths[0]!
    }
    parts.at(-1)!.push(column)
    used += wide
  }
  return parts.map((columns) => oneTable(rows, widths, columns)).join('\n\n')
}

function oneTable(
  rows: readonly (readonly string[])[],
  widths: readonly number[],
  columns: readonly number[],
): string {
  const lines = rows.map((row) =>
    columns
      .map((at) => (at === 0 ? row[at]!.padEnd(widths[at]!) : row[at]!.padStart(widths[at]!)))
      .join(GAP)
      .trimEnd(),
  )
  lines.splice(1, 0, columns.map((at) => '-'.repeat(widths[at]!)).join(GAP))
  return lines.join('\n')
}

/** 1,234,567 → 1.23 M; three digits below 1,000. */
export function rate(perSecond: number): string {
  if (Number.isNaN(perSecond)) return '–'
  if (perSecond >= 999_500) return `${(perSecond / 1e6).toFixed(2)} M`
  if (perSecond >= 9_950) return `${Math.round(perSecond / 1e3)} k`
  if (perSecond >= 999.5) return `${(perSecond / 1e3).toFixed(1)} k`
  return figure(perSecond)
}

/** Three digits: 0.123, 4.56, 78.9, 1,230. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 99.95) return Math.round(value).toLocaleString('en-US')
  if (size >= 9.995) return value.toFixed(1)
  return value.toFixed(size >= 0.9995 ? 2 : 3)
}
