// What a host does not give back. The README's list "What stays" is this one (test/unit/docs.test.ts), and a difference after destroy that is not of it
// fails test/bare/way.test.ts: so the list is as long as what is really found.

export interface Stays {
	/** How its line in the README begins. */
	readme: string;
	/** Lines of `differences` (snapshot.ts). None: it stays only on other hosts than the lab's, or with other settings. */
	found?: RegExp[];
}
export const STAYS: Stays[] = [
	{ readme: "the message file", found: [/^\+ (dir|file) \/data(\/|$| )/] },
	{
		readme: "the recording of the Pod's life",
		found: [/^\+ (file|sha|link|unit|dir) \S*(kubeadm-lab-recorder\.(service|timer)|timers\.target\.wants)( |$)/],
	},
	{
		readme: "logs",
		found: [/ \/var\/log\//, / \/var\/(cache|lib)\/(yum|dnf)/, / \/var\/lib\/rpm/, / \/etc\/ld\.so\.cache/],
	},
	{ readme: "snapshots of etcd" },
	{ readme: "packages, images and `/var/lib/containerd`, if you set `removePackagesOnDestroy: false`" },
	{ readme: "a package that was replaced, upgraded or downgraded" },
	{ readme: "users and groups" },
	{ readme: "kernel modules", found: [/^\+ module /] },
	{ readme: "empty tables", found: [/^\+ nft table /, /^\+ run f \/run\/xtables\.lock$/, /^\+ run d \/run\/netns$/] },
	{ readme: "what others changed meanwhile" },
];
/** What any running host writes by itself, cluster or not. */
export const BY_ITSELF: RegExp[] = [/ \/(root\/\.gnupg|var\/lib\/chrony|var\/lib\/systemd|var\/tmp)/, /^[+-] active (session|user)/];

/** Differences that no line of the list covers, nor `more`, what a stack of the test's own leaves. */
export const unexplained = (differences: string[], more: RegExp[] = []): string[] => {
	const patterns = [...STAYS.flatMap(({ found = [] }) => found), ...BY_ITSELF, ...more];
	return differences.filter((line) => !patterns.some((pattern) => pattern.test(line)));
};
