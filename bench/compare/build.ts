// Builds a source in a folder of its own: the engine alone, by that source's own configuration. The checkout is only
// read, its index and worktree list included, so there is nothing to undo there when a build is interrupted.

import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { runProgram } from './program.ts'
import type { Source } from './source.ts'

export interface BuildPlan {
  readonly source: Source
  /** Root of the checkout. */
  readonly checkout: string
  /** Not there yet; what a source needs to be built and run lies in it afterwards. */
  readonly folder: string
  readonly signal: AbortSignal
}

const NPM = process.platform === 'win32' ? 'npm.cmd' : 'npm'

export async function buildSource(plan: BuildPlan): Promise<void> {
  const { source, folder, signal } = plan
  const place = { cwd: folder, signal }
  await mkdir(folder, { recursive: true })
  await (source.commit === undefined ? copyWorkingTree(plan) : checkOut(plan, source.commit))
  for (const patch of source.patches) {
    // Without the ceiling a folder inside some repository would count as a part of that.
    const env = { GIT_CEILING_DIRECTORIES: dirname(folder) }
    await runProgram('git', ['apply', patch], { ...place, env })
  }
  await addPackages(plan)
  await runProgram(process.execPath, ['native-wasm/check-generated.mjs'], place)
  const compiler = join(folder, 'node_modules/typescript/bin/tsc')
  await runProgram(process.execPath, [compiler, '-p', 'tsconfig.build.json'], place)
}

/** By an index of its own. */
async function checkOut({ checkout, folder, signal }: BuildPlan, commit: string): Promise<void> {
  const place = { cwd: checkout, signal, env: { GIT_INDEX_FILE: `${folder}.index` } }
  await runProgram('git', ['read-tree', commit], place)
  await runProgram('git', ['checkout-index', '--all', `--prefix=${folder}/`], place)
}

async function copyWorkingTree({ checkout, folder, signal }: BuildPlan): Promise<void> {
  const wanted = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const listed = await runProgram('git', wanted, { cwd: checkout, signal })
  for (const path of new Set(listed.split('\0'))) {
    // A tracked file may have been removed.
    if (path === '' || !existsSync(join(checkout, path))) continue
    await cp(join(checkout, path), join(folder, path))
  }
}

/** Those of the checkout when they are what the source's lock file asks for. */
async function addPackages({ checkout, folder, signal }: BuildPlan): Promise<void> {
  const [theirs, ours] = await Promise.all(
    [checkout, folder].map((root) => readFile(join(root, 'package-lock.json'), 'utf8')),
  )
  const installed = join(checkout, 'node_modules')
  if (theirs === ours && existsSync(installed)) {
    return symlink(installed, join(folder, 'node_modules'), 'junction')
  }
  const install = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
  await runProgram(NPM, install, { cwd: folder, signal })
}
