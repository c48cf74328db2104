// What only the real file system can show: modes, links, full disks, and the cost of a call.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { dataSyncDescriptor, nodeFileSystem as fs } from '../../../src/io/node-file-system.ts'
import { compileSources } from '../../support/compiled-sources.ts'
import { sharedTemporaryDirectory, temporaryDirectory } from '../../support/temp-directory.ts'

const compiled = sharedTemporaryDirectory()

beforeAll(() => compileSources(compiled, ['src/io/node-file-system.ts']))

/** Runs module code in a process of its own, under limits set by the shell, and returns what it prints. */
function runLimited(limits: string, code: string): string {
  const module = JSON.stringify(join(compiled, 'src/io/node-file-system.js'))
  const script = join(temporaryDirectory(), 'run.mjs')
  writeFileSync(script, `import { nodeFileSystem as fs } from ${module}\n${code}`)
  const command = `${limits}; exec "$0" "$1"`
  const ran = spawnSync('/bin/bash', ['-c', command, process.execPath, script], {
    encoding: 'utf8',
  })
  if (ran.status !== 0) throw new Error(`exit ${ran.status}: ${ran.stderr}`)
  return ran.stdout
}

describe.runIf(process.platform !== 'win32')('node file system', () => {
  test('files are 0600 and directories 0700 whatever the umask', () => {
    const directory = join(temporaryDirectory(), 'p')
    const code = `
      fs.makeDirectorySync(${JSON.stringify(`${directory}/q`)})
      fs.openSync(${JSON.stringify(`${directory}/q/a`)}, 'create')`
    for (const umask of ['0777', '0000']) {
      runLimited(`umask ${umask}`, code)
      expect(statSync(`${directory}/q/a`).mode & 0o777).toBe(0o600)
      expect(statSync(`${directory}/q`).mode & 0o777).toBe(0o700)
      expect(statSync(directory).mode & 0o777).toBe(0o700)
      fs.removeSync(`${directory}/q/a`)
      fs.removeSync(`${directory}/q`)
      fs.removeSync(directory)
    }
  })

  test('symbolic links are reported and removed, never followed', () => {
    const directory = temporaryDirectory()
    const target = join(directory, 'target')
    const link = join(directory, 'link')
    writeFileSync(target, 'x')
    symlinkSync(target, link)
    expect(fs.statSync(link)?.kind).toBe('other')
    expect(() => fs.openSync(link, 'read')).toThrow(expect.objectContaining({ code: 'ELOOP' }))
    expect(() => fs.openSync(link, 'create')).toThrow(expect.objectContaining({ code: 'EEXIST' }))
    fs.removeSync(link)
    expect(readdirSync(directory)).toEqual(['target'])
  })

  test('a database directory may be reached through a symbolic link', () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'd'))
    symlinkSync(join(directory, 'd'), join(directory, 'link'))
    expect(fs.makeDirectorySync(join(directory, 'link'))).toBe(false)
    expect(fs.makeDirectorySync(join(directory, 'link/e'))).toBe(true)
  })

  test('a named pipe is refused at once instead of waiting for its writer', () => {
    const path = join(temporaryDirectory(), 'pipe')
    execFileSync('mkfifo', [path])
    expect(() => fs.openSync(path, 'read')).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })

  test('a write that the kernel cuts short ends in its reason, never in silence', () => {
    const path = join(temporaryDirectory(), 'a')
    const printed = runLimited(
      'ulimit -f 4',
      `
      process.on('SIGXFSZ', () => {})
      const file = fs.openSync(${JSON.stringify(path)}, 'create')
      const bytes = Buffer.alloc(10_000, 1)
      let codes = ''
      try { file.writeSync(bytes, 0) } catch (error) { codes += error.code }
      file.truncateSync(0)
      await file.write(bytes, 0).catch((error) => { codes += ' ' + error.code })
      file.writeSync(bytes.subarray(0, 2000), 0)
      process.stdout.write(codes)`,
    )
    expect(printed).toBe('EFBIG EFBIG')
  })

  test('running out of descriptors is EMFILE, and closing gives them back', () => {
    const path = join(temporaryDirectory(), 'a')
    const printed = runLimited(
      'ulimit -n 40',
      `
      const open = []
      let code = ''
      open.push(fs.openSync(${JSON.stringify(path)}, 'create'))
      try { for (;;) open.push(fs.openSync(${JSON.stringify(path)}, 'read')) } catch (error) { code = error.code }
      for (const file of open) file.closeSync()
      for (let i = 0; i < 100; i++) fs.openSync(${JSON.stringify(path)}, 'read').closeSync()
      process.stdout.write(code)`,
    )
    expect(printed).toBe('EMFILE')
  })

  test('a directory that is not ours to write gives EACCES', () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o555)
    const printed = runLimited(
      'true',
      `
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534) }
      try { fs.openSync(${JSON.stringify(join(directory, 'a'))}, 'create') }
      catch (error) { process.stdout.write(error.code) }`,
    )
    chmodSync(directory, 0o700)
    expect(printed).toBe('EACCES')
  })

  test('the descriptor can be lent, and is gone once the file is closed', async () => {
    const file = fs.openSync(join(temporaryDirectory(), 'a'), 'create')
    const { descriptor } = file
    if (descriptor === undefined) throw new Error('an open file has a descriptor')
    dataSyncDescriptor(descriptor)
    const writing = file.write(Buffer.alloc(4 << 20), 0)
    file.closeSync()
    expect(file.descriptor).toBeUndefined()
    // The write still owns the descriptor, so the number cannot be given out again.
    dataSyncDescriptor(descriptor)
    await writing
    expect(() => dataSyncDescriptor(descriptor)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  test('opening, reading and closing leaks no descriptor when opening is refused', () => {
    const directory = temporaryDirectory()
    const count = (): number => readdirSync('/dev/fd').length
    const before = count()
    for (let i = 0; i < 20; i++) {
      expect(() => fs.openSync(directory, 'read')).toThrow()
      expect(() => fs.openSync(join(directory, 'none'), 'read')).toThrow()
    }
    expect(count()).toBe(before)
  })
})
