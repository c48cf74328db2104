// Finds the packages Sett is measured beside, which it does not depend on: those of the checkout (bench/peers, filled
// by `npm run bench:peers`), else those that lie beside the caller. Nothing is loaded from anywhere else.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Beside this file when it runs from its source; three folders up and down again when compiled (dist/bench/peers). */
const CHECKOUT_FOLDERS = ['./', '../../../bench/peers/'] as const
const INSTALLER = 'install.mjs'

export interface PeerPackage<Exports> {
  readonly name: string
  /** The major version the adapter was written for. */
  readonly major: number
  /** Proves that the package works here and tells the version of the store inside; '': it does not tell. */
  readonly inside: (exports: Exports, directory: string) => string
}

export interface LoadedPeer<Exports> {
  readonly exports: Exports
  /** `3.0.0 (LevelDB 1.20)` */
  readonly version: string
}

/** The checkout's bench/peers; undefined in an installed package. */
function checkoutFolder(): string | undefined {
  return CHECKOUT_FOLDERS.map((folder) => fileURLToPath(new URL(folder, import.meta.url))).find(
    (folder) => existsSync(join(folder, INSTALLER)),
  )
}

interface Found {
  readonly directory: string
  readonly require: NodeJS.Require
}

function find(name: string): Found | undefined {
  const places = [checkoutFolder(), process.cwd()].filter((place) => place !== undefined)
  for (const place of places) {
    const require = createRequire(join(place, 'package.json'))
    const folders = require.resolve.paths(name) ?? []
    const directory = folders
      .map((folder) => join(folder, name))
      .find((folder) => existsSync(join(folder, 'package.json')))
    if (directory !== undefined) return { directory, require }
  }
  return undefined
}

function versionIn(directory: string): string {
  const manifest: { readonly version: string } = JSON.parse(
    readFileSync(join(directory, 'package.json'), 'utf8'),
  )
  return manifest.version
}

function advice(name: string, major: number): string {
  return checkoutFolder() === undefined
    ? `run \`npm install --no-save --ignore-scripts ${name}@${major}\` where you start the bench`
    : 'run `npm run bench:peers`'
}

/** Throws when the package is missing, of another major version or does not work here; the message says what to do. */
export function loadPeer<Exports>(peer: PeerPackage<Exports>): LoadedPeer<Exports> {
  const { name, major } = peer
  const found = find(name)
  if (found === undefined) throw new Error(`${name} is not installed; ${advice(name, major)}`)
  const { directory, require } = found
  const version = versionIn(directory)
  if (!version.startsWith(`${major}.`)) {
    throw new Error(
      `${name} in ${directory} is ${version}, measured is ${major}.x; ${advice(name, major)}`,
    )
  }
  try {
    const exports: Exports = require(name)
    const inside = peer.inside(exports, directory)
    return { exports, version: inside === '' ? version : `${version} (${inside})` }
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    const cause = line.replace(/[.:]$/, '')
    throw new Error(
      `${name} ${version} in ${directory} does not load: ${cause}; try \`npm rebuild ${name}\` there, ` +
        'which needs Python and a C++ compiler where no prebuilt binary fits',
      { cause: error },
    )
  }
}
