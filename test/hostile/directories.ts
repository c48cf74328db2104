// Database directories as somebody might make them who wants an open to leave the directory, hang, or take what is not
// its own. Each is a copy of one small database, changed in one way; what lies in `outside` must never be touched.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { encodeCurrent } from '../../src/format/current-file.ts'

export interface Place {
  readonly directory: string
  /** A folder beside it with files of somebody else. */
  readonly outside: string
}

export interface HostileDirectory {
  readonly name: string
  /** Code of the refusal, or what opening it gives. */
  readonly open: 'right' | 'empty' | string
  /** The file the refusal names. */
  readonly file?: string
  readonly make: (place: Place) => void
}

type Entry =
  | 'CURRENT'
  | 'CURRENT.tmp'
  | 'LOCK'
  | 'KEYS'
  | 'the manifest'
  | 'another manifest'
  | 'the log'
  | 'another log'
  | 'a table'
  | 'another table'
  | 'a segment'

const ENTRIES: readonly Entry[] = [
  'CURRENT',
  'CURRENT.tmp',
  'LOCK',
  'KEYS',
  'the manifest',
  'another manifest',
  'the log',
  'another log',
  'a table',
  'another table',
  'a segment',
]

/** What may stand there instead of a file. */
const THINGS: Readonly<Record<string, (path: string, outside: string) => void>> = {
  'a link to the file itself': (path, outside) => {
    const moved = join(outside, 'moved')
    try {
      renameSync(path, moved)
    } catch {
      // There was none.
      writeFileSync(moved, '')
    }
    symlinkSync(moved, path)
  },
  'a link to a secret': (path, outside) => symlinkSync(join(outside, 'secret'), path),
  'a link to nothing': (path, outside) => symlinkSync(join(outside, 'nothing'), path),
  'a link to itself': (path) => symlinkSync(path, path),
  'a directory': (path) => {
    mkdirSync(path)
    writeFileSync(join(path, 'inside'), 'x')
  },
  'a FIFO': (path) => void execFileSync('mkfifo', [path]),
  // Only root may make one; for others a link to one.
  'a device': (path) => {
    if (spawnSync('mknod', [path, 'c', '1', '5']).status !== 0) symlinkSync('/dev/zero', path)
  },
}

export function pathOf(directory: string, entry: Entry): string {
  const find = (pattern: RegExp): string => {
    const name = readdirSync(directory).find((each) => pattern.test(each))
    if (name === undefined) throw new Error(`${directory} has no ${pattern}`)
    return name
  }
  const names: Partial<Record<Entry, string>> = {
    'another manifest': 'MANIFEST-999992',
    'another log': '999990.wal',
    'another table': '999991.sst',
    'a segment': '000777.vlog',
  }
  if (entry === 'the manifest') return join(directory, find(/^MANIFEST-/))
  if (entry === 'the log') return join(directory, find(/\.wal$/))
  if (entry === 'a table') return join(directory, find(/\.sst$/))
  return join(directory, names[entry] ?? entry)
}

/** Nothing but a regular file may have the name of a file. */
function noFiles(): HostileDirectory[] {
  return ENTRIES.flatMap((entry) =>
    Object.entries(THINGS).map(([thing, make]) => ({
      name: `${thing} as ${entry}`,
      open: 'LEVEL_CORRUPTION',
      make({ directory, outside }: Place) {
        const path = pathOf(directory, entry)
        if (!thing.includes('file itself')) rmSync(path, { force: true })
        make(path, outside)
      },
    })),
  )
}

function grow(path: string, bytes: number): void {
  writeFileSync(path, '', { flag: 'a' })
  truncateSync(path, bytes)
}

const GIB = 2 ** 30

/** Names and lengths that lead astray. */
const OTHERS: readonly HostileDirectory[] = [
  {
    name: 'a file of the highest number there is',
    open: 'SETT_TOO_LARGE',
    make: ({ directory }) => writeFileSync(join(directory, '9007199254740991.sst'), 'x'),
  },
  {
    name: 'a log of the highest number there is',
    open: 'SETT_TOO_LARGE',
    make: ({ directory }) => writeFileSync(join(directory, '9007199254740991.wal'), ''),
  },
  {
    name: 'a manifest of nearly the highest number',
    open: 'SETT_TOO_LARGE',
    make: ({ directory }) => writeFileSync(join(directory, 'MANIFEST-9007199254740990'), 'x'),
  },
  {
    name: 'names that are nearly ours',
    open: 'right',
    make({ directory }) {
      const names = ['9007199254740992.sst', '0000009.sst', '000000.wal', '9.wal', 'MANIFEST-1']
      names.push('..sst', '-00001.sst', 'current', 'LOCK.', '000001.sst\n', ' 000001.sst')
      names.push('000001.SST', '１２３４５６.sst', '%2e%2e', 'x'.repeat(255))
      for (const name of names) writeFileSync(join(directory, name), 'x', { flag: 'wx' })
    },
  },
  {
    name: 'names that are no text',
    open: 'right',
    make({ directory }) {
      for (const end of [[0xff], [0xc3], [0x80, 0x2e, 0x73, 0x73, 0x74]]) {
        const name = Buffer.concat([Buffer.from(`${directory}/000001`), Buffer.from(end)])
        writeFileSync(name, 'x')
      }
    },
  },
  {
    name: 'CURRENT that leads to no manifest',
    open: 'LEVEL_CORRUPTION',
    make: ({ directory }) =>
      writeFileSync(join(directory, 'CURRENT'), encodeCurrent({ manifest: 2 ** 53 - 1 })),
  },
  {
    name: 'CURRENT with a path in it',
    open: 'LEVEL_CORRUPTION',
    make: ({ directory }) =>
      writeFileSync(join(directory, 'CURRENT'), '../outside/secret\n'.padEnd(64)),
  },
  {
    name: 'CURRENT of a gibibyte',
    open: 'LEVEL_CORRUPTION',
    make: ({ directory }) => grow(join(directory, 'CURRENT'), GIB),
  },
  {
    name: 'a manifest of 16 GiB',
    open: 'LEVEL_CORRUPTION',
    make: ({ directory }) => grow(pathOf(directory, 'the manifest'), 16 * GIB),
  },
  {
    name: 'a log that goes on for 16 GiB behind its seal',
    open: 'right',
    make: ({ directory }) => grow(pathOf(directory, 'the log'), 16 * GIB),
  },
  {
    name: 'another log of 16 GiB',
    open: 'right',
    make: ({ directory }) => grow(pathOf(directory, 'another log'), 16 * GIB),
  },
  {
    name: 'another log of 16 GiB that begins as the real one',
    open: 'LEVEL_CORRUPTION',
    make({ directory }) {
      const path = pathOf(directory, 'another log')
      writeFileSync(path, readFileSync(pathOf(directory, 'the log')))
      grow(path, 16 * GIB)
    },
  },
  {
    name: 'a table of 16 GiB',
    open: 'LEVEL_CORRUPTION',
    make: ({ directory }) => grow(pathOf(directory, 'a table'), 16 * GIB),
  },
  {
    name: 'LOCK of 16 GiB',
    open: 'right',
    make: ({ directory }) => grow(join(directory, 'LOCK'), 16 * GIB),
  },
  {
    name: 'LOCK full of something else',
    open: 'right',
    make: ({ directory }) =>
      writeFileSync(join(directory, 'LOCK'), `{"pid":1,"host":"${'\u001b[2J'.repeat(500)}"}`),
  },
  {
    name: 'LOCK as another name of a secret',
    open: 'LEVEL_IO_ERROR',
    make({ directory, outside }) {
      rmSync(join(directory, 'LOCK'), { force: true })
      linkSync(join(outside, 'secret'), join(directory, 'LOCK'))
    },
  },
  {
    name: 'a folder of a repair that is a link',
    open: 'right',
    make({ directory, outside }) {
      // The one that the last repair would have made.
      const number = Number(/\d+$/.exec(pathOf(directory, 'the manifest'))![0]) - 1
      const digits = String(number).padStart(6, '0')
      symlinkSync(outside, join(directory, `lost+found-${digits}`))
      writeFileSync(join(directory, '999991.sst'), 'to be moved there?')
    },
  },
  {
    name: 'a folder of a repair that is a file',
    open: 'right',
    make: ({ directory }) => writeFileSync(join(directory, 'lost+found-000003'), 'x'),
  },
  {
    name: 'nothing but a FIFO as CURRENT',
    open: 'LEVEL_CORRUPTION',
    make({ directory }) {
      rmSync(directory, { recursive: true })
      mkdirSync(directory)
      execFileSync('mkfifo', [join(directory, 'CURRENT')])
    },
  },
  {
    name: 'nothing but a link as LOCK',
    open: 'LEVEL_CORRUPTION',
    make({ directory, outside }) {
      rmSync(directory, { recursive: true })
      mkdirSync(directory)
      symlinkSync(join(outside, 'secret'), join(directory, 'LOCK'))
    },
  },
  {
    name: 'a FIFO in place of the directory',
    open: 'SETT_NOT_A_DATABASE',
    make({ directory }) {
      rmSync(directory, { recursive: true })
      execFileSync('mkfifo', [directory])
    },
  },
  {
    name: 'a link to a file in place of the directory',
    open: 'SETT_NOT_A_DATABASE',
    make({ directory, outside }) {
      rmSync(directory, { recursive: true })
      symlinkSync(join(outside, 'secret'), directory)
    },
  },
]

export const HOSTILE_DIRECTORIES: readonly HostileDirectory[] = [...noFiles(), ...OTHERS]

/** Copies the database `sound` into `root` and spoils the copy. */
export function spoiled(sound: string, root: string, hostile: HostileDirectory): Place {
  const place = { directory: join(root, 'db'), outside: join(root, 'outside') }
  mkdirSync(place.outside, { recursive: true })
  writeFileSync(join(place.outside, 'secret'), 'a secret of somebody else\n'.repeat(3))
  cpSync(sound, place.directory, { recursive: true })
  hostile.make(place)
  return place
}
