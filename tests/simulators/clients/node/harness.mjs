// One line a check, as in ../harness.py. `node_libraries.py` starts the simulators and says where they are.

export const at = JSON.parse(process.env.SIMULATORS);

const checks = [];

export function check(name, run) {
  checks.push([name, run]);
}

export async function main(label) {
  let failed = 0;
  for (const [name, run] of checks) {
    try {
      await run();
      console.log(`ok      ${label}: ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${label}: ${name}`);
      console.error(error);
    }
  }
  process.exitCode = failed ? 1 : 0;
}

export async function state() {
  return (await fetch(`${at.google}/_simulator/state`)).json();
}
