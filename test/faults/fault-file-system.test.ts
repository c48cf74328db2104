// The file system that fails on demand: what a crash leaves of it, under both rules for names, and what its faults do.
import { describe, expect, it } from 'vitest'
import type { Pending, Survival } from './disk.ts'
import { FaultFileSystem } from './fault-file-system.ts'
import type { Survived } from './file-content.ts'

const nothing: Survival = { rule: 'strict', survives: () => 'none' }
const journal: Survival = { rule: 'ext4', survives: () => 'none' }
const all: Survival = { rule: 'strict', survives: () => 'all' }

function only(survives: (change: Pending) => Survived): Survival {
  return { rule: 'strict', survives }
}

/** A file system with one durable file of 1,024 letters. */
function withFile(): FaultFileSystem {
  return new FaultFileSystem({ files: new Map([['/d/a', Buffer.alloc(1024, 'a')]]) })
}

function text(image: ReadonlyMap<string, Buffer>, path: string): string | undefined {
  return image.get(path)?.toString('latin1').replace(/\0/g, '0')
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return String((error as { code?: unknown }).code)
  }
  return 'none'
}

describe('a power cut', () => {
  it('takes names that were not made durable, each rule in its own way', () => {
    const fs = withFile()
    const file = fs.openSync('/d/b', 'create')
    expect([...fs.image(nothing).keys()]).toEqual(['/d/a'])
    expect([...fs.image(all).keys()]).toEqual(['/d/a', '/d/b'])
    file.dataSyncSync()
    expect([...fs.image(nothing).keys()]).toEqual(['/d/a'])
    expect([...fs.image(journal).keys()]).toEqual(['/d/a', '/d/b'])
    fs.renameSync('/d/b', '/d/a')
    expect(text(fs.image(journal), '/d/a')?.length).toBe(1024)
    fs.syncDirectorySync('/d')
    expect(text(fs.image(nothing), '/d/a')).toBe('')
    expect([...fs.image(nothing).keys()]).toEqual(['/d/a'])
  })

  it('lets a journal lose its end, but no change in the middle', () => {
    const fs = withFile()
    for (const name of ['b', 'c']) fs.openSync(`/d/${name}`, 'create')
    const [, second] = fs.disk.pending('strict')
    const keepsSecond = ({ index }: Pending): Survived => (index === second!.index ? 'all' : 'none')
    expect([...fs.image(only(keepsSecond)).keys()]).toEqual(['/d/a', '/d/c'])
    expect([...fs.image({ rule: 'ext4', survives: keepsSecond }).keys()]).toEqual(['/d/a'])
  })

  it('never lets a rename lead to another file, whatever else is lost', () => {
    const old = new Map([['/d/temp', Buffer.from('left behind')]])
    const fs = new FaultFileSystem({ files: old })
    fs.removeSync('/d/temp')
    const file = fs.openSync('/d/temp', 'create')
    file.writeSync(Buffer.from('new'), 0)
    file.dataSyncSync()
    fs.renameSync('/d/temp', '/d/real')
    const image = fs.image(only(({ kind }) => (kind === 'rename' ? 'all' : 'none')))
    expect(text(image, '/d/real')).toBe('new')
    expect(text(image, '/d/temp')).toBe('left behind')
  })

  it('takes bytes by whole sectors, and brings what an earlier write left in them', () => {
    const fs = new FaultFileSystem()
    fs.makeDirectorySync('/d')
    const file = fs.openSync('/d/f', 'create')
    fs.syncDirectorySync('/d')
    file.writeSync(Buffer.alloc(600, 'x'), 0)
    file.writeSync(Buffer.alloc(100, 'y'), 600)
    expect(fs.disk.dirtySectors(fs.disk.pending('strict')[0]!.file)).toEqual([0, 1])
    const last = fs.disk.pending('strict')[1]!
    const image = text(
      fs.image(only(({ index }) => (index === last.index ? 'all' : 'none'))),
      '/d/f',
    )
    expect(image).toBe('0'.repeat(512) + 'x'.repeat(88) + 'y'.repeat(100))
    file.dataSyncSync()
    expect(text(fs.image(nothing), '/d/f')).toBe('x'.repeat(600) + 'y'.repeat(100))
    expect(fs.disk.pending('strict')).toEqual([])
  })

  it('tears a write at a sector: the rest missing, zero, or what the block held before', () => {
    const fs = withFile()
    fs.renameSync('/d/a', '/d/f')
    fs.syncDirectorySync('/d')
    const copy = fs.openSync('/d/g', 'create')
    fs.syncDirectorySync('/d')
    copy.writeSync(Buffer.alloc(1100, 'n'), 0)
    const torn = (rest: 'missing' | 'zeros' | 'garbage'): string =>
      text(fs.image(only(() => ({ upTo: 512, rest }))), '/d/g')!
    expect(torn('missing')).toBe('n'.repeat(512))
    expect(torn('zeros')).toBe('n'.repeat(512) + '0'.repeat(588))
    expect(torn('garbage')).toBe('n'.repeat(1100))
    expect(text(fs.image(only(() => ({ from: 512 }))), '/d/g')).toBe(
      '0'.repeat(512) + 'n'.repeat(588),
    )
  })

  it('tears a write into bytes that are durable: the other sectors are as they were', () => {
    const fs = new FaultFileSystem()
    const file = fs.openSync('/f', 'create')
    fs.syncDirectorySync('/')
    file.writeSync(Buffer.alloc(1536, 'o'), 0)
    file.dataSyncSync()
    file.writeSync(Buffer.alloc(1024, 'n'), 0)
    for (const rest of ['missing', 'zeros', 'garbage'] as const) {
      const image = fs.image(only(() => ({ upTo: 512, rest })))
      expect(text(image, '/f')).toBe('n'.repeat(512) + 'o'.repeat(1024))
    }
    const late = text(fs.image(only(() => ({ from: 512 }))), '/f')
    expect(late).toBe('o'.repeat(512) + 'n'.repeat(512) + 'o'.repeat(512))
  })

  it('does not wait for a sync that has only begun, and takes what was written meanwhile', async () => {
    const fs = new FaultFileSystem()
    const file = fs.openSync('/f', 'create')
    fs.syncDirectorySync('/')
    file.writeSync(Buffer.from('one'), 0)
    const sync = file.dataSync()
    file.writeSync(Buffer.from('two'), 3)
    expect(text(fs.image(nothing), '/f')).toBe('')
    await sync
    expect(text(fs.image(nothing), '/f')).toBe('one')
  })

  it('spares the cache when only the process dies', () => {
    const fs = new FaultFileSystem()
    fs.openSync('/f', 'create').writeSync(Buffer.from('cached'), 0)
    const again = fs.afterKill()
    expect(again.statSync('/f')).toEqual({ kind: 'file', size: 6 })
    expect([...again.image(nothing).keys()]).toEqual([])
    // The old process is gone: what it still does happens nowhere.
    fs.removeSync('/f')
    expect(again.statSync('/f')).toEqual({ kind: 'file', size: 6 })
  })

  it('keeps a directory with nothing in it', () => {
    const fs = new FaultFileSystem()
    fs.makeDirectorySync('/d/e')
    const files = fs.image(nothing)
    expect([...files.keys()]).toEqual(['/d/e/'])
    const after = new FaultFileSystem({ files })
    expect(after.statSync('/d/e')).toEqual({ kind: 'directory', size: 0 })
    expect(after.listSync('/d/e')).toEqual([])
  })
})

describe('a failed sync', () => {
  it.each(['clean', 'revert'] as const)('loses what it was for (%s)', (failedSync) => {
    const fs = withFile()
    const file = fs.openSync('/d/b', 'create')
    file.writeSync(Buffer.alloc(512, 'k'), 0)
    file.dataSyncSync()
    fs.syncDirectorySync('/d')
    file.writeSync(Buffer.alloc(512, 'l'), 512)
    fs.inject({ on: 'sync', errno: 'EIO', failedSync })
    expect(codeOf(() => file.dataSyncSync())).toBe('EIO')
    expect(file.sizeSync()).toBe(failedSync === 'clean' ? 1024 : 512)
    // The next sync says all is well, and nothing comes back.
    expect(codeOf(() => file.dataSyncSync())).toBe('none')
    expect(text(fs.image(all), '/d/b')).toBe('k'.repeat(512))
  })
})

describe('a fault', () => {
  it('strikes the call it names: kind, path, which one, once or for ever', () => {
    const fs = withFile()
    const second = fs.inject({ on: 'create', path: /x$/, nth: 2, errno: 'EMFILE' })
    fs.inject({ on: ['remove', 'rename'], errno: 'EACCES', nth: 2, forever: true })
    const outcomes = ['/d/1x', '/d/2', '/d/2x', '/d/3x'].map((path) =>
      codeOf(() => fs.openSync(path, 'create')),
    )
    expect(outcomes).toEqual(['none', 'none', 'EMFILE', 'none'])
    expect(second.matches).toBe(3)
    const removals = ['/d/1x', '/d/2', '/d/3x'].map((path) => codeOf(() => fs.removeSync(path)))
    expect(removals).toEqual(['none', 'EACCES', 'EACCES'])
    fs.heal()
    expect(codeOf(() => fs.removeSync('/d/2'))).toBe('none')
    expect(fs.calls.filter(({ error }) => error !== undefined).map(({ kind }) => kind)).toEqual([
      'create',
      'remove',
      'remove',
    ])
  })

  it('leaves a part of a short write, and all of the file before', () => {
    const fs = withFile()
    const file = fs.openSync('/d/b', 'create')
    fs.inject({ on: 'write', errno: 'EIO', shortBytes: 3 })
    expect(codeOf(() => file.writeSync(Buffer.from('abcdef'), 2))).toBe('EIO')
    expect(file.sizeSync()).toBe(5)
  })

  it('holds a call back until it is let go', async () => {
    const fs = withFile()
    const file = fs.openSync('/d/a', 'read')
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    fs.inject({ on: 'read', until, errno: 'EIO' })
    let ended = ''
    const reading = file.read(Buffer.alloc(4), 0).catch((error: { code: string }) => {
      ended = error.code
    })
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(ended).toBe('')
    release()
    await reading
    expect(ended).toBe('EIO')
  })

  it('takes its time', async () => {
    const fs = withFile()
    fs.inject({ on: 'list', delayMs: 5 })
    const began = performance.now()
    fs.listSync('/d')
    expect(performance.now() - began).toBeGreaterThanOrEqual(5)
  })
})

describe('a full volume', () => {
  it('takes what fits, fails, and has room again once a file is gone and closed', () => {
    const fs = withFile()
    fs.setCapacity(1500)
    expect(fs.spaceSync('/d')).toEqual({ freeBytes: 476, totalBytes: 1500 })
    const file = fs.openSync('/d/b', 'create')
    expect(codeOf(() => file.writeSync(Buffer.alloc(600), 0))).toBe('ENOSPC')
    expect(file.sizeSync()).toBe(476)
    // What is there already may be overwritten.
    expect(codeOf(() => file.writeSync(Buffer.alloc(476), 0))).toBe('none')
    const other = fs.openSync('/d/a', 'read')
    fs.removeSync('/d/a')
    expect(fs.spaceSync('/d').freeBytes).toBe(0)
    other.closeSync()
    expect(fs.spaceSync('/d').freeBytes).toBe(1024)
  })
})

describe('buffers of writers', () => {
  it('are flipped after the write when that is asked for, but not shared memory', async () => {
    const fs = withFile()
    fs.flipSources()
    const file = fs.openSync('/d/b', 'create')
    const own = Buffer.from('own')
    const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7)
    file.writeSync(own, 0)
    await file.write(shared, 3)
    expect([...own]).toEqual([...Buffer.from('own')].map((byte) => byte ^ 0xff))
    expect([...shared]).toEqual([7, 7, 7])
    expect(text(fs.image(all), '/d/b')).toBe('own\x07\x07\x07')
  })

  it('must not change while an asynchronous write is under way', async () => {
    const fs = withFile()
    const file = fs.openSync('/d/b', 'create')
    const source = Buffer.from('before')
    const writing = file.write(source, 0)
    source.fill(0)
    await expect(writing).rejects.toThrow(/changed while written/)
  })
})
