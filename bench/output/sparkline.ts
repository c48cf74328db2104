// A row of figures as a line of blocks, for text that has no room for a chart.

const BLOCKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const

/**
 * `values` in at most `columns` blocks, each the mean of its part, from zero to the largest of these means. A part
 * without a finite value is a space.
 */
export function sparkline(values: readonly number[], columns: number): string {
  const means = parts(values, columns).map((some) => {
    const known = some.filter(Number.isFinite)
    return known.reduce((sum, value) => sum + value, 0) / known.length
  })
  const most = Math.max(0, ...means.filter(Number.isFinite))
  return means
    .map((mean) => {
      if (!Number.isFinite(mean)) return ' '
      const share = most === 0 ? 0 : mean / most
      return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor(share * BLOCKS.length))]!
    })
    .join('')
}

/** `list` in at most `count` neighbouring parts, none of them empty. */
export function parts<T>(list: readonly T[], count: number): readonly (readonly T[])[] {
  const number = Math.min(count, list.length)
  const from = (part: number): number => Math.floor((part * list.length) / number)
  return Array.from({ length: number }, (_, part) => list.slice(from(part), from(part + 1)))
}
