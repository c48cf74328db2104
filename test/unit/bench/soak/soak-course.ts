// A course with chosen figures, for tests of what is made from one.
import type { SoakCourse, SoakPhase, SoakPoint } from '../../../../bench/soak/protocol.ts'

const MIB = 2 ** 20

export function pointOf(phase: SoakPhase, rest: Partial<SoakPoint> = {}): SoakPoint {
  return {
    phase,
    seconds: 1,
    ms: 1_000,
    operations: phase === 'idle' ? 0 : 100,
    waitedMs: 0,
    loopMs: 2,
    cpuMs: 1_500,
    debtBytes: 0,
    level0: 1,
    rssBytes: 200 * MIB,
    liveBytes: 100,
    files: { all: 120, tables: 50, segments: 60, logs: 10 },
    ...rest,
  }
}

/** One second of fill, `load`, one second of idle. */
export function courseOf(
  load: readonly Partial<SoakPoint>[],
  rest: Partial<SoakCourse> = {},
): SoakCourse {
  const points = [pointOf('fill'), ...load.map((one) => pointOf('load', one)), pointOf('idle')]
  return {
    memoryBudget: 64 * MIB,
    baseBytes: 50 * MIB,
    peakBytes: 150 * MIB,
    points: points.map((point, at) => ({ ...point, seconds: at + 1 })),
    userBytes: 1_000,
    writtenBytes: 5_000,
    puts: 10,
    deletes: 2,
    checked: 1_234,
    snapshots: 1,
    wrong: 0,
    mistakes: [],
    restless: false,
    settledBytes: 120,
    ...rest,
  }
}
