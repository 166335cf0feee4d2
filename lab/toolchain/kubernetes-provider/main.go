// The Kubernetes provider as its own repository builds it. Why a main of ours: upstream's embeds generated files that
// its Go module leaves out; lab/toolchain/build.sh puts them beside this file from the same module's sources.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

func main() { provider.Serve("kubernetes", version.Version, schema, terraformMapping) }
