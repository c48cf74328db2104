// Rooms import downwards only, and every source file is imported by something.
import {
  BARREL,
  BARREL_FLOOR,
  ENTRY_FILES,
  FIRST_FLOOR_WITH_STATE,
  FLOORS,
  WORKERS_FLOOR,
} from '../floors.ts'
import {
  blankOut,
  importsOf,
  isGenerated,
  isTypeScript,
  type Problem,
  resolveImport,
  roomOf,
  type SourceText,
} from '../source-text.ts'

function isShipped(path: string): boolean {
  return path.startsWith('src/') || path.startsWith('workers/')
}

function floorOf(path: string): number | undefined {
  if (path === BARREL) return BARREL_FLOOR
  if (path.startsWith('workers/')) return WORKERS_FLOOR
  const room = roomOf(path)
  return room === undefined ? undefined : FLOORS.get(room)
}

export function checkFloors(files: readonly SourceText[]): Problem[] {
  const problems: Problem[] = []
  const known = new Set(files.map((file) => file.path))
  for (const { path, text } of files.filter((file) => isShipped(file.path) && isTypeScript(file))) {
    if (floorOf(path) === undefined) {
      const message = 'lies in no room. Move it into one, or add its room to test/tidy/floors.ts'
      problems.push({ path, line: 1, message })
      continue
    }
    for (const { specifier, line } of importsOf(text)) {
      const target = resolveImport(path, specifier)
      if (target === undefined) continue
      const message = complaint(path, target, known)
      if (message !== undefined) problems.push({ path, line, message })
    }
  }
  return problems
}

function complaint(path: string, target: string, known: ReadonlySet<string>): string | undefined {
  // A worker's address is data for the thread that starts it; worker-url.ts computes it.
  if (path === 'src/pool/worker-url.ts') return undefined
  if (!/\.ts$/.test(target)) return `imports ${target}. Relative imports end in .ts`
  if (!known.has(target)) return `imports ${target}, which does not exist`
  if (target.startsWith('workers/') || !isShipped(target)) {
    return `imports ${target}, which is not part of the engine. Move what is needed into src/`
  }
  const [own, its] = [floorOf(path) ?? 0, floorOf(target) ?? 0]
  if (roomOf(path) !== undefined && roomOf(path) === roomOf(target)) return undefined
  if (path === BARREL && roomOf(target) === 'api') return undefined
  if (its < own) return undefined
  const where = its === own ? `its own floor ${own}` : `floor ${its}, above its floor ${own}`
  return (
    `imports ${target} on ${where}. Move the shared part to a lower floor, or have the room above hand it in ` +
    '(a parameter or a callback)'
  )
}

export function checkEverythingIsUsed(files: readonly SourceText[]): Problem[] {
  const used = new Set<string>()
  for (const file of files.filter((file) => isShipped(file.path) && isTypeScript(file))) {
    for (const { specifier } of importsOf(file.text)) {
      const target = resolveImport(file.path, specifier)
      if (target !== undefined && target !== file.path) used.add(target)
    }
  }
  return files
    .filter((file) => file.path.startsWith('src/') && /(?<!\.d)\.ts$/.test(file.path))
    .filter((file) => !ENTRY_FILES.has(file.path) && !used.has(file.path))
    .map(({ path }) => ({
      path,
      line: 1,
      message: 'is imported by nothing in src/ or workers/. Wire it in, or remove it',
    }))
}

const STATE = new RegExp(
  [
    /^(?:export\s+)?(?:let|var)\s+(\w+)/,
    /^(?:export\s+)?const\s+(\w+)(?:\s*:(?!\s*Readonly)[^=]+)?\s*=\s*new (?:Weak)?(?:Map|Set)\b/,
  ]
    .map((each) => each.source)
    .join('|'),
)

export function checkModuleState(files: readonly SourceText[]): Problem[] {
  const problems: Problem[] = []
  for (const file of files) {
    const room = roomOf(file.path)
    const floor = room === undefined ? undefined : FLOORS.get(room)
    if (floor === undefined || floor >= FIRST_FLOOR_WITH_STATE || isGenerated(file)) continue
    const lines = blankOut(file.text, 'comments and strings').split('\n')
    lines.forEach((line, index) => {
      const match = STATE.exec(line)
      if (match === null) return
      const name = match[1] ?? match[2]
      const message =
        `${name} is state of the module. Give it to an object with an owner, or, if it never changes, ` +
        'declare it as const with a Readonly type'
      problems.push({ path: file.path, line: index + 1, message })
    })
  }
  return problems
}
