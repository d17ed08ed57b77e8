// Prints the results of Node's test runner as Rust's test harness does: a line for each test, and the
// sums at the end.

import { inspect } from 'node:util';

const isFile = ({ name }) => name.endsWith('.mjs');

export default async function* report(events) {
  const count = { passed: 0, failed: 0, ignored: 0 };
  for await (const { type, data } of events) {
    if (type === 'test:stderr' || type === 'test:stdout') {
      yield data.message;
      continue;
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const isFailure = type === 'test:fail';
    const error = data.details?.error;
    // A suite or a file fails with one of its tests, which has been counted.
    const isGroup = data.details?.type === 'suite' || isFile(data);
    if (isGroup && (!isFailure || error?.failureType === 'subtestsFailed')) continue;
    const time = `<${((data.details?.duration_ms ?? 0) / 1000).toFixed(3)}s>`;
    if (data.skip !== undefined && !isFailure) {
      count.ignored += 1;
      yield `test ${data.name} ... ignored, ${data.skip} ${time}\n`;
    } else if (isFailure) {
      count.failed += 1;
      const cause = error?.cause ?? error;
      yield `test ${data.name} ... FAILED ${time}\n${cause?.stack ?? inspect(cause)}\n`;
    } else {
      count.passed += 1;
      yield `test ${data.name} ... ok ${time}\n`;
    }
  }
  const { passed, failed, ignored } = count;
  const result = failed ? 'FAILED' : 'ok';
  yield `test result: ${result}. ${passed} passed; ${failed} failed; ${ignored} ignored\n`;
}
