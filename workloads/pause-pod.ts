// The Pods on which the pause container is probed.
export const PAUSE_PODS = ["pause-private", "pause-shared"] as const;
export type PausePod = (typeof PAUSE_PODS)[number];

/** Two containers that have one volume; `pause-shared` shares its process namespace too. */
export function pausePod(name: PausePod, image: string) {
	const volumeMounts = [{ name: "shared", mountPath: "/shared" }];
	const container = (own: string, command: string) => ({
		name: own,
		image,
		imagePullPolicy: "IfNotPresent",
		command: ["/bin/sh", "-c", command],
		volumeMounts,
	});
	return {
		metadata: { name, namespace: "default", labels: { lifecycle: "pause" } },
		spec: {
			terminationGracePeriodSeconds: 2,
			shareProcessNamespace: name === "pause-shared",
			volumes: [{ name: "shared", emptyDir: {} }],
			// "exec": the process itself gets SIGTERM, and shows under its own name.
			containers: [container("one", "echo hello from one >/shared/hello; exec httpd -f -p 8080 -h /shared"), container("two", "exec sleep 3600")],
		},
	};
}
