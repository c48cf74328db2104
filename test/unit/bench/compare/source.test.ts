import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../../bench/commands/errors.ts'
import { checkoutAround, hasChanges, resolveSource } from '../../../../bench/compare/source.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
const { signal } = new AbortController()

interface Checkout {
  readonly cwd: string
  readonly head: string
  readonly git: (...args: string[]) => string
}

function checkout(name = 'sett'): Checkout {
  const cwd = temporaryDirectory()
  const who = ['-c', 'user.name=test', '-c', 'user.email=test@localhost']
  const git = (...args: string[]): string =>
    execFileSync('git', [...who, ...args], { cwd, encoding: 'utf8' }).trim()
  git('init', '--quiet')
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ name }))
  git('add', '--all')
  git('commit', '--quiet', '--message=first')
  git('branch', 'plus+sign')
  writeFileSync(join(cwd, 'a.patch'), '')
  return { cwd, head: git('rev-parse', 'HEAD'), git }
}

describe('what is compared', () => {
  it('is a commit, the working tree, and patches on either', async () => {
    const { cwd, head } = checkout()
    const place = { cwd, signal }
    const short = head.slice(0, 7)
    const patches = [join(cwd, 'a.patch')]
    const plain = { label: `HEAD (${short})`, commit: head, patches: [] }
    expect(await resolveSource('HEAD', place)).toEqual(plain)
    expect(await resolveSource('HEAD+a.patch', place)).toEqual({
      ...{ label: `HEAD (${short}) + a.patch`, commit: head, patches },
    })
    for (const name of ['.', 'WORKTREE']) {
      expect(await resolveSource(`${name}+a.patch`, place)).toEqual({
        ...{ label: `working tree on ${short} + a.patch`, commit: undefined, patches },
      })
    }
    const odd = { label: `plus+sign (${short})`, commit: head, patches: [] }
    expect(await resolveSource('plus+sign', place)).toEqual(odd)
  })

  it('is refused when it does not exist', async () => {
    const place = { cwd: checkout().cwd, signal }
    await expect(resolveSource('nowhere', place)).rejects.toThrow(UsageError)
    await expect(resolveSource('--help', place)).rejects.toThrow(/'--help' is no commit/)
    await expect(resolveSource('HEAD+b.patch', place)).rejects.toThrow(
      /there is no patch .*b\.patch/,
    )
  })

  it('lies in a checkout of Sett', async () => {
    const { cwd } = checkout()
    const inner = join(cwd, 'inner')
    mkdirSync(inner)
    expect(await checkoutAround(inner, signal)).toBe(cwd)
    await expect(checkoutAround(checkout('other').cwd, signal)).rejects.toThrow(/something else/)
    await expect(checkoutAround(temporaryDirectory(), signal)).rejects.toThrow(
      /needs a git checkout/,
    )
  })

  it('tells a changed working tree', async () => {
    const { cwd, git } = checkout()
    expect(await hasChanges({ cwd, signal })).toBe(true)
    git('add', '--all')
    git('commit', '--quiet', '--message=second')
    expect(await hasChanges({ cwd, signal })).toBe(false)
  })
})

describe('the planted patches', () => {
  it('still apply', () => {
    const folder = join(ROOT, 'bench/compare/planted')
    const patches = readdirSync(folder)
    expect(patches).toEqual(['no-change.patch', 'slower-get.patch'])
    for (const patch of patches) {
      execFileSync('git', ['apply', '--check', join(folder, patch)], { cwd: ROOT })
    }
  })
})
