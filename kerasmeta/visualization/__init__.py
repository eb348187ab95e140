"""Pictures of tasks and of adapting; they need `kerasmeta[plots]`."""

from kerasmeta.visualization.plot_adaptation import plot_adaptation
from kerasmeta.visualization.plot_episode import plot_episode
