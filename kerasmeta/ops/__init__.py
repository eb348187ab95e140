"""Pure functions of tensors that learners share."""

from kerasmeta.ops.batch_statistics import batch_statistics
from kerasmeta.ops.class_covariances import class_covariances
from kerasmeta.ops.conjugate_gradient import conjugate_gradient
from kerasmeta.ops.cosine_similarities import cosine_similarities
from kerasmeta.ops.descend import descend
from kerasmeta.ops.exact_gradients import exact_gradients
from kerasmeta.ops.fused_batch_norm import fused_batch_norm
from kerasmeta.ops.gaussian_predictions import gaussian_log_likelihood
from kerasmeta.ops.gaussian_predictions import split_gaussian
from kerasmeta.ops.hessian_vector_product import hessian_vector_product
from kerasmeta.ops.logistic_regression import logistic_regression
from kerasmeta.ops.map_tasks import is_sequential
from kerasmeta.ops.map_tasks import map_tasks
from kerasmeta.ops.map_tasks import stack_tasks
from kerasmeta.ops.map_tasks import task_at
from kerasmeta.ops.masked_mean import masked_mean
from kerasmeta.ops.multiclass_svm import multiclass_svm
from kerasmeta.ops.open_set import auroc
from kerasmeta.ops.open_set import open_set_scores
from kerasmeta.ops.prototypes import class_prototypes
from kerasmeta.ops.prototypes import squared_distances
from kerasmeta.ops.repeat import repeat
from kerasmeta.ops.ridge_regression import ridge_regression
from kerasmeta.ops.safe_sqrt import safe_sqrt
from kerasmeta.ops.sinkhorn import sinkhorn
