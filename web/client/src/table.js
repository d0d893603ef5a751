/**
 * The device machine as data: input, state → action, and where each action may lead (protocol, section 6).
 *
 * Laws:
 *
 * 1. The table is total: every input is handled in every state.
 * 2. Everything that changes the state is an action of this table; what an action does is in `core.js` under its
 *    name. Where each action may lead is in `spec/vectors/table.json`, which the tests hold this table against.
 *
 * States:
 *
 *     stopped     closed, and not to be opened by itself
 *     waiting     not connected; the time of the next attempt is set
 *     connecting  a connection is being opened
 *     greeting    `hello` is in flight
 *     snapshot    a reset: states are being staged, only heads are remembered (rule 8)
 *     behind      entries are missing, or a pull failed; the next pull waits for its time, or for the consumer
 *     pulling     a pull is in flight
 *     live        nothing is known to be missing: pushes are applied as they come
 *
 * The last four are *online*. In all of them sends and other requests go out; they are no part of the position.
 */

/** @typedef {"stopped" | "waiting" | "connecting" | "greeting" | "snapshot" | "behind" | "pulling" | "live"} State */

/** @type {readonly State[]} */
export const STATES = ["stopped", "waiting", "connecting", "greeting", "snapshot", "behind", "pulling", "live"];
/** @type {ReadonlySet<string>} */
export const ONLINE = new Set(["snapshot", "behind", "pulling", "live"]);

const ROWS = `
start        open     open       -           -         -         -        -        -
stop         -        halt       halt        halt      halt      halt     halt     halt
connected    -        -          greet       -         -         -        -        -
disconnected -        -          lost        lost      lost      lost     lost     lost
tick         -        reopen     impatient   timers    timers    timers   timers   timers
pause        pause    pause      pause       pause     pause     pause    pause    pause
resume       resume   resume     resume      resume    resume    resume   resume   resume
submit       queue    queue      queue       queue     dispatch  dispatch dispatch dispatch
found        found    found      found       found     found     found    found    found
call         refuse   hold       hold        hold      ask       ask      ask      ask
cancel       cancel   cancel     cancel      cancel    cancel    cancel   cancel   cancel
tell         -        -          -           -         tell      tell     tell     tell
renewed      -        -          -           -         renewed   renewed  renewed  renewed

welcome      -        -          -           welcome   -         -        -        -
page         -        -          -           -         -         page     page     page
snapshot     -        -          -           -         stage     -        -        -
sent         -        -          -           -         confirm   sent     sent     sent
push         -        -          -           -         remember  push     push     push
notify       -        -          -           -         head      head     head     head
pong         -        -          -           -         pong      pong     pong     pong
error        -        -          -           refused   error     error    error    error
bye          -        -          -           bye       bye       bye      bye      bye
answer       -        -          -           -         answer    answer   answer   answer
signal       -        -          -           -         deliver   deliver  deliver  deliver
unknown      -        -          -           -         -         -        -        -
`;

/**
 * input → state → action; `-` does nothing.
 * @type {Record<string, Record<string, string>>}
 */
export const TABLE = Object.fromEntries(
  ROWS.split("\n")
    .filter(Boolean)
    .map((line) => {
      const [input, ...actions] = line.split(/\s+/);
      return [input, Object.fromEntries(STATES.map((state, place) => [state, actions[place]]))];
    }),
);
