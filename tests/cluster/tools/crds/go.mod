module steersman.dev/tests/cluster/tools/crds

go 1.26.0

require (
	github.com/argoproj/argo-rollouts v1.8.5
	github.com/kedacore/keda/v2 v2.21.0
	github.com/projectcontour/contour v1.33.8
	github.com/traefik/traefik/v3 v3.7.13
	istio.io/api v1.31.4
	sigs.k8s.io/gateway-api v1.6.0
)
