import { describe, expect, test } from 'vitest'
import { CorruptionError, SettError } from '../../../src/base/errors.ts'
import { encodeCurrent } from '../../../src/format/current-file.ts'
import { readEditFrame } from '../../../src/format/manifest-edit.ts'
import { currentPath, currentTempPath, manifestPath, walPath } from '../../../src/io/file-names.ts'
import type { FileSystem, OpenFile } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { EMPTY_STATE } from '../../../src/manifest/apply-edit.ts'
import { ManifestLog, type ManifestParts } from '../../../src/manifest/manifest-log.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { turns } from '../../support/small-engine.ts'
import { EDITS, plain } from './manifest-support.ts'

function parts(fs: FileSystem, number = 1, sync?: ManifestParts['sync']): ManifestParts {
  return {
    fs,
    directory: '/db',
    number,
    salt: Buffer.from('8877665544332211', 'hex'),
    sync: sync ?? ((file) => file.dataSync()),
  }
}

function database(): FileSystem {
  const fs = memoryFileSystem()
  fs.makeDirectorySync('/db')
  return fs
}

async function filled(fs: FileSystem): Promise<ManifestLog> {
  const log = await ManifestLog.create(parts(fs), EMPTY_STATE)
  for (const edit of EDITS) await log.append(edit)
  return log
}

/** One that may give way to those numbered from 100 on; what was given up. */
async function replacing(fs: FileSystem): Promise<{ log: ManifestLog; replaced: number[] }> {
  let number = 100
  const next = (): { number: number; salt: Buffer } => {
    return { number: number++, salt: Buffer.alloc(8, number) }
  }
  const log = await ManifestLog.create({ ...parts(fs), next }, EMPTY_STATE)
  const replaced: number[] = []
  log.onReplaced((gone) => replaced.push(gone))
  return { log, replaced }
}

function bytesOf(fs: FileSystem, path: string): Buffer {
  const file = fs.openSync(path, 'read')
  const bytes = Buffer.alloc(file.sizeSync())
  file.readSync(bytes, 0)
  file.closeSync()
  return bytes
}

function setFile(fs: FileSystem, path: string, bytes: Uint8Array): void {
  if (fs.statSync(path) !== undefined) fs.removeSync(path)
  const file = fs.openSync(path, 'create')
  file.writeSync(bytes, 0)
  file.closeSync()
}

describe('manifest log', () => {
  test('a new directory has no manifest; what was appended is read back', async () => {
    const fs = database()
    expect(readManifest(fs, '/db')).toBeUndefined()
    const log = await filled(fs)
    expect(log.lastDurableEdit).toBe(8)
    const recovered = readManifest(fs, '/db')
    expect(plain(recovered?.state)).toEqual(plain(log.state))
    expect(recovered).toMatchObject({ number: 1, clean: false, tornBytes: 0 })
    expect(log.state).toMatchObject({
      nextFileNumber: 8,
      lastVersion: 50,
      historyFloor: 33,
      editNumber: 8,
      wals: [{ number: 4, salt: 'bbbbbbbbbbbbbbbb' }],
    })
    expect(log.state.levels.map((tables) => tables.map(({ number }) => number))).toEqual([
      [],
      [],
      [],
      [],
      [],
      [],
      [6, 7],
    ])
  })

  test('a reopen writes a snapshot of the same state, under the next edit number', async () => {
    const fs = database()
    const log = await filled(fs)
    await log.append({
      walsSealed: [{ number: 4, length: 9, lastVersion: 8, digest: '2'.repeat(16) }],
    })
    await log.closeClean()
    const before = readManifest(fs, '/db')!
    expect(before.clean).toBe(true)
    const second = await ManifestLog.create(parts(fs, 9), before.state)
    const after = readManifest(fs, '/db')!
    expect(after).toMatchObject({ number: 9, clean: false })
    expect(plain(after.state)).toEqual({
      ...plain(before.state),
      editNumber: before.state.editNumber + 1,
      nextFileNumber: 10,
    })
    await second.close()
  })

  test('appends asked for at once are made one after the other', async () => {
    const fs = database()
    let syncing = 0
    const log = await ManifestLog.create(
      parts(fs, 1, async (file) => {
        syncing += 1
        expect(syncing).toBe(1)
        await file.dataSync()
        syncing -= 1
      }),
      EMPTY_STATE,
    )
    const states = await Promise.all(EDITS.map((edit) => log.append(edit)))
    expect(states.map(({ editNumber }) => editNumber)).toEqual([2, 3, 4, 5, 6, 7, 8])
  })

  test('a contradicting edit is refused and leaves the log as it was', async () => {
    const fs = database()
    const log = await filled(fs)
    const { state } = log
    await expect(log.append({ walsDropped: [99] })).rejects.toMatchObject({ code: 'SETT_INTERNAL' })
    expect(log.state).toBe(state)
    await log.append({ lastVersion: 60 })
    expect(readManifest(fs, '/db')?.state.lastVersion).toBe(60)
  })

  test('one that grew long gives way to another, which says the same and goes on', async () => {
    const fs = database()
    const { log, replaced } = await replacing(fs)
    for (const edit of EDITS) await log.append(edit)
    const { levels } = log.state
    let version = 60
    while (replaced.length === 0 && version < 5_000) await log.append({ lastVersion: version++ })
    expect(replaced).toEqual([1])
    expect(log).toMatchObject({ number: 100, firstNumber: 1, usable: true })
    expect(log.length).toBeLessThan(2_000)
    // By their identity others know what changed.
    expect(log.state.levels).toBe(levels)
    await log.append({ lastVersion: version })
    const read = readManifest(fs, '/db')
    expect(read).toMatchObject({ number: 100, clean: false, tornBytes: 0 })
    expect(plain(read?.state)).toEqual({ ...plain(log.state), lastVersion: version })
    expect(log.stillOwned()).toBe(true)
    await log.closeClean()
    expect(readManifest(fs, '/db')?.clean).toBe(true)
  })

  test.each([
    ['no room', { on: 'write', path: /MANIFEST-0*100$/, errno: 'ENOSPC' }, true],
    ['no descriptor', { on: 'create', path: /CURRENT/, errno: 'EMFILE' }, true],
    ['no room for the new CURRENT', { on: 'rename', path: /CURRENT$/, errno: 'ENOSPC' }, true],
    ['a failed rename', { on: 'rename', path: /CURRENT$/, errno: 'EIO' }, false],
    ['no look', { on: 'stat', path: /CURRENT.tmp$/, errno: 'EACCES' }, true],
    ['a failed sync', { on: 'sync', path: /MANIFEST-0*100$/, errno: 'EIO' }, false],
    ['a failed sync of the directory', { on: 'syncDirectory', nth: 2, errno: 'EIO' }, false],
  ] as const)('%s for another: no edit is lost', async (_, fault, goesOn) => {
    const fs = new FaultFileSystem()
    fs.makeDirectorySync('/db')
    const { log, replaced } = await replacing(fs)
    fs.inject(fault)
    let last = 0
    for (let version = 1; version < 5_000 && log.usable && replaced.length < 2; version += 1) {
      const state = await log.append({ lastVersion: version }).catch(() => undefined)
      if (state !== undefined) last = state.lastVersion
    }
    expect(log.usable).toBe(goesOn)
    // The one that could not be begun, and later on the first.
    expect(replaced).toEqual(goesOn ? [100, 1] : [])
    expect(readManifest(fs, '/db')?.state.lastVersion).toBe(last)
    const files = fs.image({ rule: 'strict', survives: () => 'none' })
    const cut = new FaultFileSystem({ files })
    expect(readManifest(cut, '/db')?.state.lastVersion).toBe(last)
    await log.close()
  })

  test('without any descriptor left another is begun later on', async () => {
    const fs = new FaultFileSystem()
    fs.makeDirectorySync('/db')
    const { log, replaced } = await replacing(fs)
    fs.inject({
      on: ['create', 'open'],
      path: /MANIFEST-0*100$|CURRENT$/,
      errno: 'EMFILE',
      forever: true,
    })
    let version = 1
    while (version < 5_000 && replaced.length < 2) await log.append({ lastVersion: version++ })
    expect(replaced).toEqual([100, 1])
    fs.heal()
    expect(readManifest(fs, '/db')?.state.lastVersion).toBe(version - 1)
    await log.close()
  })

  test.each(['MANIFEST-000100', 'CURRENT.tmp'])(
    'after a failure elsewhere while %s is synced, the directory is left as it is',
    async (name) => {
      const fs = new FaultFileSystem()
      fs.makeDirectorySync('/db')
      const { log, replaced } = await replacing(fs)
      let synced = (): void => undefined
      const until = new Promise<void>((resolve) => {
        synced = resolve
      })
      const slow = fs.inject({ on: 'sync', path: new RegExp(`${name}$`), until })
      let version = 1
      while (slow.matches === 0 && version < 5_000) {
        await log.append({ lastVersion: version++ })
        // What follows that edit is on its way.
        if (log.length > 65_000) await turns(10)
      }
      const asked = fs.steps.filter(({ kind }) => kind === 'syncDirectory').length
      const cause = new Error('a directory could not be synced')
      log.stop(cause)
      synced()
      await log.close()
      expect(fs.steps.filter(({ kind }) => kind === 'syncDirectory').length).toBe(asked)
      expect(replaced).toEqual([])
      expect(readManifest(fs, '/db')).toMatchObject({
        number: 1,
        state: { lastVersion: version - 1 },
      })
    },
  )

  test('wherever the power goes while one gives way, every edit is there', async () => {
    const fs = new FaultFileSystem()
    fs.makeDirectorySync('/db')
    const { log, replaced } = await replacing(fs)
    log.onReplaced((number) => {
      replaced.push(number)
      fs.removeSync(manifestPath('/db', number))
    })
    const durable: { readonly at: number; readonly version: number }[] = []
    for (let version = 1; version < 5_000 && replaced.length === 0; version += 1) {
      await log.append({ lastVersion: version })
      durable.push({ at: fs.steps.length, version })
    }
    expect(replaced).toEqual([1])
    for (let version = 5_000; version < 5_003; version += 1) {
      await log.append({ lastVersion: version })
      durable.push({ at: fs.steps.length, version })
    }
    const from = durable.at(-6)!.at
    for (let step = from; step <= fs.steps.length; step += 1) {
      const there = new FaultFileSystem({ steps: fs.steps.slice(0, step) })
      const least = durable.findLast(({ at }) => at <= step)!.version
      for (const survives of ['none', 'all', 'remove', 'rename'] as const) {
        const files = there.image({
          rule: 'strict',
          survives: ({ kind }) => (survives === 'all' || kind === survives ? 'all' : 'none'),
        })
        const read = readManifest(new FaultFileSystem({ files }), '/db')
        expect(read?.state.lastVersion).toBeGreaterThanOrEqual(least)
      }
    }
    await log.close()
  })

  test('a failed sync or write is final', async () => {
    for (const failing of ['sync', 'write'] as const) {
      const fs = database()
      let broken = false
      const real = fs.openSync.bind(fs)
      fs.openSync = (path, mode) =>
        brokenFile(real(path, mode), () => broken && failing === 'write')
      const sync = async (file: OpenFile): Promise<void> => {
        if (broken && failing === 'sync') throw Object.assign(new Error('EIO'), { code: 'EIO' })
        await file.dataSync()
      }
      const log = await ManifestLog.create(parts(fs, 1, sync), EMPTY_STATE)
      await log.append(EDITS[0]!)
      broken = true
      const [first, second] = await Promise.allSettled([
        log.append({ lastVersion: 5 }),
        log.append({ lastVersion: 6 }),
      ])
      expect(first).toMatchObject({ status: 'rejected', reason: { code: 'EIO' } })
      expect(second).toMatchObject({ status: 'rejected', reason: { code: 'SETT_POISONED' } })
      broken = false
      await expect(log.append({ lastVersion: 7 })).rejects.toThrow(/Reopen/)
      await expect(log.closeClean()).rejects.toMatchObject({ code: 'SETT_POISONED' })
      expect(log.lastDurableEdit).toBe(2)
      await log.close()
      expect(readManifest(fs, '/db')?.state.lastVersion).toBeLessThan(6)
    }
  })

  test('once CURRENT names another manifest, or nothing, no byte is written any more', async () => {
    for (const steal of [
      async (fs: FileSystem) => (await ManifestLog.create(parts(fs, 9), EMPTY_STATE)).close(),
      async (fs: FileSystem) => fs.removeSync('/db/CURRENT'),
    ]) {
      const fs = database()
      const log = await filled(fs)
      expect(log.stillOwned()).toBe(true)
      await steal(fs)
      const before = fs.listSync('/db').map((name) => bytesOf(fs, `/db/${name}`))
      const heard: unknown[] = []
      log.onFailure((error) => heard.push(error))
      for (const use of [() => log.append({ lastVersion: 60 }), () => log.closeClean()]) {
        await expect(use()).rejects.toMatchObject({
          code: 'SETT_POISONED',
          message: expect.stringMatching(/CURRENT .* another process .* open it again/),
        })
      }
      expect(heard).toHaveLength(1)
      expect(fs.listSync('/db').map((name) => bytesOf(fs, `/db/${name}`))).toEqual(before)
      await log.close()
    }
  })

  test('a look at CURRENT that fails is no sign of another owner', async () => {
    const fs = database()
    const log = await filled(fs)
    const real = fs.openSync.bind(fs)
    fs.openSync = (path, mode) => {
      if (path !== '/db/CURRENT') return real(path, mode)
      throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' })
    }
    await log.append({ lastVersion: 60 })
    expect(log.usable).toBe(true)
    await log.close()
  })

  test('a full disk is not final: the half-written edit is cut off', async () => {
    const fs = database()
    let full = false
    const real = fs.openSync.bind(fs)
    fs.openSync = (path, mode) => brokenFile(real(path, mode), () => full, 'ENOSPC')
    const log = await ManifestLog.create(parts(fs), EMPTY_STATE)
    await log.append(EDITS[0]!)
    full = true
    await expect(log.append(EDITS[1]!)).rejects.toMatchObject({ code: 'ENOSPC' })
    full = false
    for (const edit of EDITS.slice(1)) await log.append(edit)
    expect(plain(readManifest(fs, '/db')?.state)).toEqual(plain(log.state))
  })

  test('CURRENT names a manifest only once both are durable', async () => {
    const events: string[] = []
    const fs = database()
    const rename = fs.renameSync.bind(fs)
    const syncDirectory = fs.syncDirectory.bind(fs)
    fs.renameSync = (from, to) => {
      events.push('rename')
      rename(from, to)
    }
    fs.syncDirectory = (path) => {
      events.push('directory')
      return syncDirectory(path)
    }
    const sync = async (file: OpenFile): Promise<void> => {
      events.push(file.path === currentTempPath('/db') ? 'CURRENT.tmp' : 'manifest')
      await file.dataSync()
    }
    const log = await ManifestLog.create(parts(fs, 1, sync), EMPTY_STATE)
    expect(events).toEqual(['manifest', 'directory', 'CURRENT.tmp', 'rename', 'directory'])
    setFile(fs, currentTempPath('/db'), Buffer.from('left by a crash'))
    await log.closeClean()
    expect(readManifest(fs, '/db')?.clean).toBe(true)
  })
})

/** Writes half and fails when told to. */
function brokenFile(file: OpenFile, broken: () => boolean, code = 'EIO'): OpenFile {
  const writeSync = file.writeSync.bind(file)
  file.writeSync = (source, position, from = 0, to = source.length) => {
    if (!broken()) return writeSync(source, position, from, to)
    writeSync(source, position, from, (from + to) >> 1)
    throw Object.assign(new Error(code), { code })
  }
  return file
}

describe('a damaged manifest', () => {
  const manifest = manifestPath('/db', 1)

  test('cut at any byte: the last edit is dropped if unclean, refused if clean', async () => {
    for (const clean of [false, true]) {
      const fs = database()
      const log = await filled(fs)
      const whole = bytesOf(fs, manifest)
      const ends = [0, ...editEnds(whole)]
      if (clean) await log.closeClean()
      for (let length = 0; length < whole.length; length += 1) {
        setFile(fs, manifest, whole.subarray(0, length))
        const edits = ends.filter((end) => end > 0 && end <= length).length
        if (clean || edits === 0) expect(() => readManifest(fs, '/db')).toThrow(CorruptionError)
        else {
          const recovered = readManifest(fs, '/db')!
          expect(recovered.state.editNumber).toBe(edits)
          expect(recovered.tornBytes).toBe(length - ends[edits]!)
        }
      }
    }
  })

  test('a flipped bit before the last edit is refused; in it, the edit is dropped', async () => {
    const fs = database()
    await filled(fs)
    const whole = bytesOf(fs, manifest)
    const lastEdit = editEnds(whole).at(-2)!
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const bytes = Buffer.from(whole)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      setFile(fs, manifest, bytes)
      const read = (): number | undefined => readManifest(fs, '/db')?.state.editNumber
      if (bit < lastEdit * 8) expect(read, `bit ${bit}`).toThrow(CorruptionError)
      else {
        // A wrong edit number at the very end is no torn write either.
        const numberField = bit >= (lastEdit + 16) * 8 && bit < (lastEdit + 24) * 8
        if (!numberField) expect(read(), `bit ${bit}`).toBe(7)
      }
    }
  })

  test('edits lost, doubled or swapped are refused, all pairs of them', async () => {
    const fs = database()
    const log = await ManifestLog.create(parts(fs), EMPTY_STATE)
    for (let i = 1; i < 30; i += 1) await log.append({ lastVersion: i * 100 })
    const whole = bytesOf(fs, manifest)
    const ends = [64, ...editEnds(whole)]
    const edits = ends.slice(1).map((end, i) => whole.subarray(ends[i]!, end))
    const refused = (order: readonly Buffer[]): void => {
      setFile(fs, manifest, Buffer.concat([whole.subarray(0, 64), ...order]))
      expect(() => readManifest(fs, '/db')).toThrow(CorruptionError)
    }
    for (let i = 0; i < edits.length; i += 1) {
      if (i < edits.length - 1) refused(edits.toSpliced(i, 1))
      for (let j = 0; j <= edits.length; j += 1) refused(edits.toSpliced(j, 0, edits[i]!))
      for (let j = 0; j < i; j += 1) refused(edits.with(i, edits[j]!).with(j, edits[i]!))
    }
  })

  test('a torn edit may hold any garbage behind its beginning', async () => {
    const fs = database()
    await filled(fs)
    const whole = bytesOf(fs, manifest)
    const lastEdit = editEnds(whole).at(-2)!
    for (let length = lastEdit; length < whole.length; length += 1) {
      for (const filler of [0, 0xff, 0x45]) {
        const tail = Buffer.alloc(whole.length - length, filler)
        setFile(fs, manifest, Buffer.concat([whole.subarray(0, length), tail]))
        const edit = readManifest(fs, '/db')!.state.editNumber
        expect(edit === 7 || whole.subarray(length).equals(tail)).toBe(true)
      }
    }
  })

  test('a torn edit may be followed by older edits, left in a block that is used again', async () => {
    const fs = database()
    const log = await ManifestLog.create(parts(fs), EMPTY_STATE)
    for (let i = 1; i < 6; i += 1) await log.append({ lastVersion: i * 100 })
    const whole = bytesOf(fs, manifest)
    const ends = [64, ...editEnds(whole)]
    const lastEdit = ends.at(-2)!
    for (let from = 0; from < ends.length - 2; from += 1) {
      for (let torn = lastEdit + 8; torn < whole.length; torn += 8) {
        const stale = whole.subarray(ends[from]!, lastEdit)
        setFile(fs, manifest, Buffer.concat([whole.subarray(0, torn), stale]))
        expect(readManifest(fs, '/db')?.state.editNumber).toBe(5)
      }
    }
  })

  test('edits behind the damage are found by their chain, whatever follows them', async () => {
    const fs = database()
    const log = await ManifestLog.create(parts(fs), EMPTY_STATE)
    for (let i = 1; i < 6; i += 1) await log.append({ lastVersion: i * 100 })
    const whole = bytesOf(fs, manifest)
    const ends = editEnds(whole)
    const tail = Buffer.alloc(40, 0x11)
    // The edit before the last is damaged in its payload: the last one chains to its checksum.
    const chained = Buffer.concat([whole, tail])
    chained[ends[3]! + 24]! ^= 1
    // So it does when the damaged one no longer says where the last one begins.
    const lengthGone = Buffer.concat([whole, tail])
    lengthGone[ends[3]! + 12]! ^= 8
    // Another is gone altogether: the two behind it chain to each other.
    const pair = Buffer.concat([whole, tail])
    pair.fill(0, ends[2]!, ends[3]!)
    for (const bytes of [chained, lengthGone, pair]) {
      setFile(fs, manifest, bytes)
      expect(() => readManifest(fs, '/db')).toThrow(/later ones follow/)
    }
  })

  test('another manifest of the same length is not the one CURRENT names', async () => {
    const closed = async (lastVersion: number): Promise<FileSystem> => {
      const fs = database()
      const log = await filled(fs)
      await log.append({ lastVersion })
      await log.closeClean()
      return fs
    }
    const fs = await closed(98)
    setFile(fs, manifest, bytesOf(await closed(99), manifest))
    expect(() => readManifest(fs, '/db')).toThrow(/the last edit CURRENT names/)
  })

  test('missing, foreign or older: refused', async () => {
    const fs = database()
    const log = await filled(fs)
    const older = bytesOf(fs, manifest)
    await log.append({ lastVersion: 99 })
    await log.closeClean()
    const whole = bytesOf(fs, manifest)
    setFile(fs, manifest, older)
    expect(() => readManifest(fs, '/db')).toThrow(/as CURRENT has it/)
    const same = Buffer.concat([older, Buffer.alloc(whole.length - older.length)])
    setFile(fs, manifest, same)
    expect(() => readManifest(fs, '/db')).toThrow(CorruptionError)
    fs.removeSync(manifest)
    expect(() => readManifest(fs, '/db')).toThrow(/no such file/)
    setFile(fs, manifestPath('/db', 2), whole)
    setFile(fs, currentPath('/db'), encodeCurrent({ manifest: 2 }))
    expect(() => readManifest(fs, '/db')).toThrow(/file number 2/)
    setFile(fs, currentPath('/db'), Buffer.alloc(0))
    expect(() => readManifest(fs, '/db')).toThrow(CorruptionError)
  })

  test('20,000 mutants are read or refused, whatever bytes they hold', async () => {
    const fs = database()
    await filled(fs)
    const whole = bytesOf(fs, manifest)
    let state = 99
    const next = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = Buffer.from(whole.subarray(0, whole.length - next(2) * next(200)))
      for (let flips = 1 + next(4); flips > 0; flips -= 1) bytes[next(bytes.length)] = next(256)
      setFile(fs, manifest, bytes)
      try {
        readManifest(fs, '/db')
      } catch (error) {
        if (!(error instanceof SettError)) throw error
      }
    }
  })
})

describe('a directory without CURRENT', () => {
  test('with data files it is a damaged database, never an empty one', async () => {
    for (const name of ['000007.wal', '000008.sst', '000009.vlog']) {
      const fs = database()
      setFile(fs, `/db/${name}`, Buffer.from('x'))
      expect(() => readManifest(fs, '/db')).toThrow(name)
    }
    const fs = database()
    await filled(fs)
    fs.removeSync(currentPath('/db'))
    expect(() => readManifest(fs, '/db')).toThrow(/MANIFEST-000001 is there/)
  })

  test('what a crash leaves of a creation is an empty directory still', async () => {
    const fs = database()
    await ManifestLog.create(parts(fs), EMPTY_STATE)
    fs.removeSync(currentPath('/db'))
    setFile(fs, '/db/LOCK', Buffer.from('{}'))
    setFile(fs, '/db/somebody.txt', Buffer.from('hello'))
    const whole = bytesOf(fs, manifestPath('/db', 1))
    for (let length = 0; length <= whole.length; length += 1) {
      setFile(fs, manifestPath('/db', 1), whole.subarray(0, length))
      expect(readManifest(fs, '/db')).toBeUndefined()
    }
    setFile(fs, walPath('/db', 2), Buffer.alloc(0))
    expect(() => readManifest(fs, '/db')).toThrow(CorruptionError)
  })
})

/** Offsets behind each edit. */
function editEnds(bytes: Buffer): number[] {
  const ends: number[] = []
  for (let at = 64; at < bytes.length; ) {
    at = readEditFrame(bytes, at)!.end
    ends.push(at)
  }
  return ends
}
