/** What the doctor found, as a text to read. Pure. */

export interface Finding {
  readonly name: string;
  readonly value: string;
  readonly problem: string;
  readonly hint: string;
}

/** The answer of the server's command `promptopt.doctor`. */
export interface Diagnosis {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** The findings in lines, as `promptopt doctor` prints them; `client` is what the extension adds. */
export function report(diagnosis: Diagnosis, client: readonly Finding[]): string {
  const findings = [...client, ...diagnosis.findings];
  const width = Math.max(...findings.map((finding) => finding.name.length));
  const lines = findings.flatMap((finding) => [
    `${finding.problem ? "!" : " "} ${finding.name.padEnd(width)}  ${finding.value}`.trimEnd(),
    ...[finding.problem, finding.hint].filter((text) => text !== "").map((text) => " ".repeat(width + 4) + text),
  ]);
  const count = findings.filter((finding) => finding.problem !== "").length;
  return [...lines, "", count > 0 ? `${String(count)} to look at, marked with !` : "Nothing is wrong.", ""].join("\n");
}
