// Threads cannot load TypeScript on Node 20: what tests run in a thread comes from the build, dist/ or, when
// set, SETT_DIST (a folder of the same shape).
import { pathToFileURL } from 'node:url'

const { SETT_DIST: folder } = process.env

export const builtUrl: URL =
  folder === undefined ? new URL('../../dist/', import.meta.url) : pathToFileURL(`${folder}/`)

/** A worker file of test/support. */
export function supportUrl(name: string): string {
  return new URL(name, import.meta.url).href
}
