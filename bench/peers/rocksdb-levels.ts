// What RocksDB tells of itself through its properties, read the same way for both of its bindings.

type Property = (name: string) => Promise<string | undefined> | string | undefined

/** `L0:1 L6:3` from the property `levelstats`, a table of level, files, MB. */
export function levelLayout(levelstats: string | undefined): string {
  const rows = (levelstats ?? '').matchAll(/^ *(\d+) +(\d+) +\d+ *$/gm)
  return [...rows]
    .filter(([, , files]) => files !== '0')
    .map(([, level, files]) => `L${level}:${files}`)
    .join(' ')
}

/** Share of the entries that lie in tables; its count of all is an estimate. Undefined: it does not tell. */
export async function shareInTables(property: Property): Promise<number | undefined> {
  const names = ['num-entries-active-mem-table', 'num-entries-imm-mem-tables', 'estimate-num-keys']
  const [active, immutable, all] = await Promise.all(
    names.map(async (name) => Number((await property(name)) || Number.NaN)),
  )
  const share = 1 - (active! + immutable!) / Math.max(1, all!)
  return Number.isNaN(share) ? undefined : Math.max(0, share)
}
