package loadgen

import "insolite/internal/event"

type city struct {
	country  string
	lat, lon float64
}

// homes are where people live; far are cities that nobody reaches from any of them within an hour.
var (
	homes = [...]city{
		{"FR", 48.857, 2.352}, {"FR", 45.764, 4.836}, {"FR", 43.297, 5.370}, {"DE", 52.520, 13.405}, {"DE", 48.135, 11.582}, {"DE", 50.110, 8.682},
		{"IT", 41.903, 12.496}, {"IT", 45.464, 9.190}, {"ES", 40.417, -3.704}, {"ES", 41.385, 2.173}, {"GB", 51.507, -0.128}, {"NL", 52.368, 4.904},
		{"BE", 50.850, 4.352}, {"AT", 48.208, 16.374}, {"CH", 47.377, 8.541}, {"PL", 52.230, 21.012}, {"CZ", 50.076, 14.438}, {"PT", 38.722, -9.139},
		{"SE", 59.329, 18.069}, {"DK", 55.676, 12.568},
	}
	far = [...]city{
		{"US", 40.713, -74.006}, {"SG", 1.352, 103.820}, {"JP", 35.676, 139.650}, {"BR", -23.551, -46.633}, {"AU", -33.869, 151.209}, {"ZA", -26.204, 28.047},
	}
)

// travelHold keeps a key quiet until a rule that looks back for a day has forgotten where it was.
const travelHold = 26 * 60 * 60 * 1e9

// near returns the place of something in the city, some kilometres around its middle.
func (g *Generator) near(c city) (lat, lon float64) {
	return c.lat + (g.rand.Float64()-0.5)*0.1, c.lon + (g.rand.Float64()-0.5)*0.1
}

func position(b []byte, lat, lon float64) []byte {
	return decimal(decimal(b, "lat", lat, 4), "lon", lon, 4)
}

// always is after every event: a victim may have been busy until now.
const always = event.Time(1<<63 - 1)
