/** Full memory fence: loads and stores before it happen before those after it. build.mjs puts the
 * instruction in the place of these calls, see fences.mjs. */
@external('env', 'atomicFence')
export declare function atomicFence(): void
