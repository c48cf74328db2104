// Columns of text and numbers in words. Pure.

/** Rows under a head; columns whose every cell is a number are right-aligned. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const numeric = head.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^-?[\d,.]*$/.test(row[column] ?? '')),
  )
  const format = (row: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? ''
        return numeric[column] === true ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  return [format(head), rule, ...rows.map(format)].join('\n')
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function decimal(value: number, digits = 1): string {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits }
  return value.toLocaleString('en-US', options)
}

/** Megabytes of a million bytes. */
export function megabytes(bytes: number): string {
  return decimal(bytes / 1e6)
}

export function perSecond(amount: number, ms: number): number {
  return ms > 0 ? (amount * 1000) / ms : 0
}
