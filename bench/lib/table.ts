// Plain text tables; the first column is left-aligned, the others right-aligned.

export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  '),
  )
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '))
  return lines.join('\n')
}

/** 1,234,567 → 1.23 M */
export function rate(perSecond: number): string {
  if (Number.isNaN(perSecond)) return '–'
  if (perSecond >= 1e6) return `${(perSecond / 1e6).toFixed(2)} M`
  if (perSecond >= 1e4) return `${Math.round(perSecond / 1e3)} k`
  return `${(perSecond / 1e3).toFixed(1)} k`
}
