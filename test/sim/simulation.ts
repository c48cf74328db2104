// One seed: a database that is used, hurt, killed and reopened, operation after operation, and checked against the
// model all the while. Everything follows from the seed and the numbers of the operations.
import { createHash } from 'node:crypto'
import type { Pin, RangeReader } from '../../src/engine/types.ts'
import { checkDirectory } from '../crash/check.ts'
import { crashStates } from '../crash/survivals.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { type Prng, prng } from '../model/prng.ts'
import { Commits } from './commits.ts'
import { Life } from './life.ts'
import { KILL, Model, type Pair, POWER, type Safety, type Sight } from './model.ts'
import { chooseOperation } from './operations.ts'
import { noCounts, optionsOf, type Plan, type SimCounts, SimFailure } from './plan.ts'
import { VOLUME_BYTES, WEATHERS } from './weather.ts'
import { World } from './world.ts'

/** A snapshot, and what is read at it. */
export interface Held {
  readonly pin: Pin
  readonly sight: Sight
  reader:
    | { readonly source: RangeReader; readonly expected: readonly Pair[]; at: number }
    | undefined
}

const KEYS = 300
const TRAIL = 60
/** Commits and jobs nobody has heard of yet; with more, nothing new is begun. */
const BEGUN_MOST = 64
const YEAR_MS = 365 * 86_400_000
/** The coarsest clock. */
const GRAIN_MOST = 1_000
/** Longer than a disk hangs. */
const SILENCE_MS = 45_000

export class Simulation {
  readonly plan: Plan
  readonly counts: SimCounts
  readonly model: Model
  readonly held: Held[] = []
  life: Life
  /** Digest of all steps and answers before an operation, and of the files. */
  mark = ''
  #machine = new FaultFileSystem()
  readonly #choices: Prng
  readonly #log = createHash('sha1')
  #unhashed = ''
  readonly #trail: string[] = []
  #failure: { readonly message: string } | undefined
  /** The operation at which the weather clears up. */
  #clearsAt = 0
  /** Wall time never falls behind what it was when the open before ended: what had expired by then may be gone. */
  #leastOffset = 0
  #latestWall = 0
  /** The clock was set back since the database was opened. */
  #setBack = false
  /** There is weather, and it makes calls fail. */
  #stormy = false
  #harmful = false
  #operation = 0
  readonly commits: Commits = new Commits(this)

  constructor(plan: Plan) {
    this.plan = plan
    this.counts = noCounts()
    this.#choices = prng(plan.seed, 1e9)
    const key = (_: unknown, i: number): string => `key ${String(i).padStart(4, '0')}`
    this.model = new Model(Array.from({ length: KEYS }, key))
    this.#machine.flipSources()
    this.life = this.#born(0)
  }

  /** Throws a SimFailure, or returns the digest of all steps and answers. */
  async run(): Promise<string> {
    const rejected = (reason: unknown): void => this.fail('a rejection that nobody handles', reason)
    process.on('unhandledRejection', rejected)
    try {
      await this.#all()
      this.#check()
    } catch (error) {
      this.fail('', error)
    } finally {
      process.off('unhandledRejection', rejected)
    }
    const { plan } = this
    this.#hash()
    if (this.#failure === undefined) return this.#log.digest('hex')
    await this.#tidyUp()
    const what = { message: this.#failure.message, trail: this.#trail }
    throw new SimFailure(plan, this.#operation, what)
  }

  log(text: string): void {
    this.#unhashed += `${text}\n`
    this.#trail.push(text)
    if (this.#trail.length > TRAIL) this.#trail.shift()
  }

  /** The first failure counts. */
  fail(what: string, error?: unknown): void {
    const reason = error instanceof Error ? `${error.message} ${error.stack ?? ''}` : ''
    this.#failure ??= { message: `${what} ${reason}` }
  }

  /** What an answer is, and what the model says. */
  expect(what: string, found: unknown, wanted: unknown): void {
    this.counts.answers += 1
    if (found === wanted) return
    const brief = (value: unknown): string => String(value).slice(0, 40)
    this.fail(`${what}: found ${brief(found)}, but it is ${brief(wanted)}`)
  }

  /** Begins something that may be refused at once, or later. */
  begin<T>(
    what: string,
    work: () => Promise<T>,
    done?: (value: T) => void,
    refused?: (code: string) => void,
  ): void {
    const { life } = this
    const failed = (error: unknown): void => {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'none'
      this.log(`${what} refused ${code}`)
      refused?.(code)
    }
    let begun: Promise<T>
    try {
      begun = work()
    } catch (error) {
      life.judge(what, error)
      failed(error)
      return
    }
    const acked = (value: T): void => {
      this.log(`${what} done ${life.world.now}`)
      done?.(value)
    }
    life.follow(what, begun, acked, failed)
  }

  /** The time of a reader that begins now, in ms since 1970. */
  now(): number {
    const { engine, world } = this.life
    const wall = Math.floor(world.clock.wallMs())
    const pin = engine.pin()
    pin.release()
    if (pin.now < wall) this.fail(`a reader begins ${wall - pin.now} ms before the wall clock`)
    if (!this.#setBack) this.expect('time of a reader', pin.now, wall)
    return pin.now
  }

  /** What a reader sees that begins now. To be asked for before it reads: reading takes time. */
  sight(): Sight {
    return { moment: this.model.moment, now: this.now() }
  }

  /** A read that answers at once. */
  read(what: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.log(`${what} refused ${this.life.judge(what, error)}`)
    }
  }

  // Of the operations: what changes the stage.

  async reopen(random: Prng): Promise<void> {
    const { life, model } = this
    const { nextNumber } = model
    let closed = false
    let clean = false
    life.close(() => {
      closed = true
    })
    life.engine.close().then(
      () => {
        clean = true
      },
      () => undefined,
    )
    // Whoever does not know yet goes on for a while.
    for (let left = random.below(6); left > 0 && !closed; left--) {
      chooseOperation(random, true).run(this, random)
      await this.let(random.below(4))
    }
    if (random.below(5) === 0) {
      await this.let(random.below(20))
      if (!closed) {
        await this.crash(random, random.chance(0.5))
        return
      }
    }
    await this.#settled(() => closed && life.begun === 0)
    for (let left = random.below(3); left > 0; left--)
      chooseOperation(random, true).run(this, random)
    await this.#settled(() => life.begun === 0)
    this.#dropHeld()
    if (clean && !life.poisoned) model.promiseUpTo(nextNumber - 1, POWER)
    if (clean && !life.troubled) checkDirectory(this.#machine)
    life.stage = 'ended'
    this.log(`closed ${clean}`)
    await this.#liveAgain(random, KILL)
  }

  async crash(random: Prng, power: boolean): Promise<void> {
    const safety = await this.#end(random, power)
    await this.#liveAgain(random, safety)
  }

  /** Lets so many things happen, up to a long silence: then nothing is under way, and what would follow is one look
   * after the other at what no longer changes. */
  async let(events: number): Promise<void> {
    for (let left = events; left > 0; left--) {
      if (!(await this.life.world.release())) break
      this.#check()
      if (this.life.world.silence > SILENCE_MS) break
    }
  }

  bringWeather(random: Prng): void {
    this.#clear()
    const weather = WEATHERS[random.below(WEATHERS.length)]!
    this.counts.faults += 1
    this.#harmful = weather.harmful
    this.#clearsAt = this.#operation + 5 + random.below(60)
    if (weather.harmful) this.life.troubled = true
    this.life.disturbed = true
    this.#stormy = true
    weather.begin(this.#machine, this.life.world, random)
    this.log(`weather: ${weather.name}`)
  }

  /** Everything begun ends, on a disk that works. */
  async settle(): Promise<void> {
    this.#clear()
    await this.#settled(() => this.life.begun === 0)
    if (!this.life.poisoned) {
      this.begin('settle', () => this.life.engine.settle())
      await this.#settled(() => this.life.begun === 0)
    }
    this.checkAll()
  }

  /** All of the content, in both directions. */
  checkAll(): void {
    this.read('reading all', () => {
      const sight = this.sight()
      const found = [...this.#content(sight.now)]
      const wanted = this.model.range({}, sight)
      this.expect('entries', found.length, wanted.length)
      for (const [i, [key, value]] of wanted.entries()) {
        this.expect(key, found[i]?.[0], key)
        this.expect(`value of ${key}`, found[i]?.[1], value)
      }
    })
  }

  shiftClock(random: Prng): void {
    const { face } = this.life.world
    this.#noteWall()
    const years = [-10, -1, -0.0001, 0.0001, 1, 10][random.below(6)]!
    face.wallOffset = Math.max(this.#leastOffset, face.wallOffset + years * YEAR_MS)
    if (years < 0) this.#setBack = true
    if (random.chance(0.3)) {
      face.grain = [0, 1, 16, 1_000][random.below(4)]!
      // A coarser clock is not to be one that is set back.
      face.wallOffset += GRAIN_MOST
      this.#leastOffset += GRAIN_MOST
    }
  }

  async #all(): Promise<void> {
    const { seed, from, to } = this.plan
    await this.#opened(KILL, undefined)
    for (let n = from; n < to; n++) {
      this.#operation = n
      this.counts.operations += 1
      if (n === this.plan.markAt) {
        this.#hash()
        this.mark = `${this.#log.copy().digest('hex')} ${this.life.digest()}`
      }
      if (n % 256 === 0) this.#hash()
      if (n === this.#clearsAt) this.#clear()
      const random = prng(seed, n)
      const operation = chooseOperation(random, false)
      this.log(`${n} ${operation.name} ${this.life.world.now} ${this.life.world.events}`)
      await operation.run(this, random)
      this.#check()
      await this.let(random.below(16) === 0 ? random.below(200) : random.below(8))
      if (this.life.begun > BEGUN_MOST) await this.#settled(() => this.life.begun < BEGUN_MOST / 2)
      // A database that refuses writes is of no more use.
      if (this.life.poisoned && random.chance(0.2)) await this.reopen(random)
    }
    await this.settle()
    await this.reopen(prng(seed, to))
    await this.settle()
    this.#dropHeld()
    let closed = false
    this.life.close(() => {
      closed = true
    })
    await this.#settled(() => closed)
    checkDirectory(this.#machine)
    this.log(this.life.digest())
    this.#account()
  }

  #born(now: number): Life {
    const choices = this.#choices
    const seed = choices.u32()
    const wallOffset = Math.max(1.7e12, this.#latestWall + GRAIN_MOST - now)
    this.#setBack = false
    const face = { wallOffset, grain: [0, 0, 0, 1, 16][choices.below(5)]! }
    const world = new World(prng(seed, 1), now, face)
    const { lie, believesTheDead = false } = this.plan
    return new Life({
      world,
      machine: this.#machine,
      random: prng(seed, 2),
      options: optionsOf(choices),
      counts: this.counts,
      deathsOneIn: believesTheDead ? 4 : [8, 40, 1e9][choices.below(3)]!,
      lie,
      believesTheDead,
      failed: (what, error) => this.fail(what, error),
    })
  }

  /** The next processes, until one of them has opened the database. */
  async #liveAgain(random: Prng, danger: Safety): Promise<void> {
    let safety = danger
    for (;;) {
      this.#account()
      this.#noteWall()
      this.life = this.#born(this.life.world.now + 1_000)
      this.life.troubled = this.#harmful
      this.life.disturbed = this.#stormy
      if (random.below(5) === 0) {
        let events = random.below(40)
        while (events-- > 0 && this.life.begun > 0) await this.let(1)
        if (this.life.begun > 0) {
          this.log('crash while it opens')
          const end = await this.#end(random, random.chance(0.5))
          if (end === POWER) safety = POWER
          continue
        }
      }
      if (await this.#opened(safety, random)) return
    }
  }

  /** Sees the opening through, and looks at what was found. False: it was refused, as it may be, for once. */
  async #opened(safety: Safety, random: Prng | undefined): Promise<boolean> {
    const { life } = this
    await this.#settled(() => life.begun === 0)
    this.#check()
    if (life.stage !== 'open') {
      this.log('the open was refused')
      life.stage = 'ended'
      if (random?.chance(0.5) !== false) this.#clear()
      return false
    }
    this.counts.recoveries += 1
    // Reading it back is not to be disturbed.
    this.#clear()
    this.#leastOffset = life.world.face.wallOffset
    const now = this.now()
    const found = this.#content(now)
    this.model.reopen(found, safety, now)
    this.commits.lastVersion = life.engine.version
    this.log(`opened ${found.size} ${life.engine.version}`)
    return true
  }

  async #settled(done: () => boolean): Promise<void> {
    let patience = 200
    await this.life.until('what was begun', () => {
      this.#check()
      // Weather that lasts would let an honest engine wait for ever.
      if (patience-- === 0) this.#clear()
      return done()
    })
  }

  /** The process or the machine ends; returns what must have survived. */
  async #end(random: Prng, power: boolean): Promise<Safety> {
    const { life } = this
    this.log(power ? 'power cut' : 'killed')
    this.counts[power ? 'powerCuts' : 'kills'] += 1
    let files: ReadonlyMap<string, Buffer> | undefined
    if (power) {
      const states = crashStates(this.#machine.disk, random.u32())
      const { survival, label } = states[random.below(states.length)]!
      this.log(label)
      if (survival !== 'killed') files = this.#machine.image(survival)
    }
    this.#clear()
    await life.kill()
    this.held.length = 0
    if (files === undefined) return KILL
    this.#machine = new FaultFileSystem({ files })
    this.#machine.flipSources()
    return POWER
  }

  #content(now: number): Map<string, string> {
    const { engine } = this.life
    const { version } = engine
    const all = (reverse: boolean): Pair[] => {
      const keys = { keys: true, values: true, keyForm: 'utf8', valueForm: 'utf8' } as const
      const reader = engine.range({ ...keys, version, now, reverse })
      return reader.next(2 * KEYS) as unknown as Pair[]
    }
    const forwards = all(false)
    const backwards = all(true).reverse()
    const same = forwards.every(([key, value], i) => {
      return backwards[i]?.[0] === key && backwards[i]?.[1] === value
    })
    if (!same || forwards.length !== backwards.length) this.fail('backwards it reads otherwise')
    for (const [key, value] of forwards) {
      const at = { version, now }
      if (engine.getSync(key, at, 'utf8') !== value) this.fail(`get of ${key} differs`)
    }
    return new Map(forwards)
  }

  #noteWall(): void {
    this.#latestWall = Math.max(this.#latestWall, this.life.world.clock.wallMs())
  }

  #hash(): void {
    this.#log.update(this.#unhashed)
    this.#unhashed = ''
  }

  #clear(): void {
    this.#machine.heal()
    this.#machine.setCapacity(VOLUME_BYTES)
    this.life.world.slowness = 1
    this.#harmful = false
    this.#stormy = false
  }

  #dropHeld(): void {
    for (const { pin } of this.held.splice(0)) pin.release()
  }

  #check(): void {
    if (this.#failure !== undefined) throw new Error(this.#failure.message)
  }

  #account(): void {
    this.counts.events += this.life.world.events
    this.counts.virtualMs = this.life.world.now
    // Nobody looks back at them, and they would be kept for the machine's whole life.
    this.#machine.calls.length = 0
  }

  /** After a failure: the heap must go back, for the next seeds use it again. */
  async #tidyUp(): Promise<void> {
    this.#machine.heal()
    if (this.life.stage !== 'ended') await this.life.kill().catch(() => undefined)
  }
}
