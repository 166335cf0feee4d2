// The `ssh` of a person with this ~/.ssh/config, for tests: the real one, which finds its user by the passwd file and not by HOME, so it is told the file.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

export interface UserSsh {
	/** Where the configuration is, and a test's own files: FOLDER in the configuration. */
	folder: string;
	/** The PATH that has this ssh first. */
	PATH: string;
}
/** Until the test ends it is first on this process's PATH too. `before`: shell lines that run before it. */
export function userSsh(t: { after: (end: () => void) => void }, config: string, before = ""): UserSsh {
	const ssh = execFileSync("bash", ["-c", "command -v ssh"], { encoding: "utf8" }).trim();
	const folder = mkdtempSync(join(tmpdir(), "user-ssh-"));
	const { PATH: old = "" } = process.env;
	const PATH = [folder, old].join(delimiter);
	writeFileSync(join(folder, "config"), config.replaceAll("FOLDER", folder));
	writeFileSync(join(folder, "ssh"), `#!/bin/bash\n${before}\nexec ${ssh} -F ${folder}/config "$@"\n`, { mode: 0o755 });
	process.env.PATH = PATH;
	t.after(() => {
		process.env.PATH = old;
		rmSync(folder, { recursive: true });
	});
	return { folder, PATH };
}
